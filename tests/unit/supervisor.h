/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A service manager for one daemon, as systemd is one as far as the daemon can tell: it keeps descriptors
 * that come with FDSTORE=1 under their names, drops them with FDSTOREREMOVE=1, answers BARRIER=1, and starts
 * the daemon again with what it keeps whenever it ends, however that was. It reads all messages before it
 * looks at the end of the process. It is a process of its own, so that the test can be as busy as it likes.
 */
#ifndef HOMI_TESTS_UNIT_SUPERVISOR_H
#define HOMI_TESTS_UNIT_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>

struct supervisor {
    pid_t pid;
    int control;
};

struct supervised {
    pid_t pid;       /* of the daemon; 0: it is not started again */
    unsigned stored; /* descriptors */
    unsigned starts; /* so far */
    unsigned faults; /* messages that systemd would not have taken, or would have acted on otherwise */
    bool ready;      /* this daemon said READY=1 */
    int status;      /* of the last one that ended, as waitpid gives it */
};

/* Starts the daemon. directory: for the notification socket. limit: of the store, also told as $FDSTORE. */
struct supervisor supervisor_start(const char *directory, unsigned limit, char *const arguments[]);
struct supervised supervisor_look(struct supervisor *supervisor);
/* Sends it a signal, and waits until it has ended and another one is running. */
struct supervised supervisor_signal(struct supervisor *supervisor, int number);
/* The next ones are started as this program. */
void supervisor_use(struct supervisor *supervisor, const char *program);
/* Sends a signal, waits for the end and does not start it again: as `systemctl stop`, the store is emptied.
 */
struct supervised supervisor_stop(struct supervisor *supervisor, int number);

/* The software SSD ("homid-model") or relay that such a daemon started with this $XDG_RUNTIME_DIR; 0: none.
 */
pid_t supervisor_process(const char *directory, const char *which);

#endif
