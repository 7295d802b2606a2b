/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The doorbell relay, a process of its own: `homid --relay`. It listens on descriptor `listener` for homid,
 * serves one at a time (a new connection replaces the last one), and goes on forwarding while there is none.
 * It ends when homid is gone and nothing is left to forward. Returns the process's exit status.
 */
#ifndef HOMI_DAEMON_RELAY_RELAY_H
#define HOMI_DAEMON_RELAY_RELAY_H

int relay_main(int listener);

#endif
