/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts the file descriptors of the test's process, so that a test can show that none leaked. */
#ifndef HOMI_TESTS_UNIT_OPEN_FDS_H
#define HOMI_TESTS_UNIT_OPEN_FDS_H

unsigned open_fds(void);

#endif
