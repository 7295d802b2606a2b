/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What homid.service runs before it ends homid. The store goes with the end of a stop job, and nobody can
 * veto that, so everything is given back then; a restart keeps the store, and homid is left alone.
 */
#ifndef HOMI_DAEMON_STOP_H
#define HOMI_DAEMON_STOP_H

/*
 * What `homid --stop` does, within homid.service: for a stop job has the process $MAINPID give everything
 * back (SIGINT) and waits for its end. The exit status: 0, also where nothing is to be done.
 */
int stop_main(void);

#endif
