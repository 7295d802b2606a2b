/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A homid that says what a test tells it to say, on a socket in a folder of its own, in a thread of this
 * process. It knows nothing of the protocol but where a message ends, so that it can say anything.
 */
#ifndef HOMI_TESTS_UNIT_FAKE_HOMID_H
#define HOMI_TESTS_UNIT_FAKE_HOMID_H

#include <stdbool.h>
#include <stddef.h>

#define FAKE_FDS_MAX   10
#define FAKE_STEPS_MAX 16

struct fake_homid;

/* What to answer to one message. */
struct fake_step {
    const char *reply;     /* its text, sent with the NUL; NULL: no answer */
    int fds[FAKE_FDS_MAX]; /* sent along, and then closed here */
    unsigned fd_count;
    bool bytewise; /* one byte a sendmsg */
    bool cut;      /* without the NUL, then hang up */
    bool hang_up;  /* after the answer */
    bool goes_on;  /* the next step answers the same message */
};

/*
 * Answers messages with the steps in order (they are copied), and with "{}" after the last one. The
 * connections share the steps, so only one of them talks at a time.
 */
struct fake_homid *fake_homid_start(const struct fake_step *steps, size_t count);
void fake_homid_stop(struct fake_homid *fake); /* all connections have ended by then */

const char *fake_homid_path(const struct fake_homid *fake);

/* All that was received, message after message, each followed by a newline. Valid after a reply arrived. */
const char *fake_homid_heard(const struct fake_homid *fake);

/* The descriptor that came last; the caller's from now on. -1: none. */
int fake_homid_take_fd(struct fake_homid *fake);

#endif
