/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line on the terminal for what takes longer than a second: what is being done, and for how long already.
 * It is gone when the work has ended. Where stderr is no terminal nothing is shown.
 */
#ifndef HOMI_HOMICTL_PROGRESS_H
#define HOMI_HOMICTL_PROGRESS_H

struct progress;

/* doing is in the words of an error ("free lease blue-1") and must stand until the stop. NULL: nothing is
 * shown. */
struct progress *progress_start(const char *doing);
void progress_stop(struct progress *progress); /* NULL-safe */

#endif
