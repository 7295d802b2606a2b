/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrays of file descriptors that somebody owns. Entries of -1 are those that were given away. */
#ifndef HOMI_PROTO_FDS_H
#define HOMI_PROTO_FDS_H

#include <unistd.h>

/* Closes what is left of an array and marks it as given away. */
static inline void fds_close(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
            fds[i] = -1;
        }
    }
}

#endif
