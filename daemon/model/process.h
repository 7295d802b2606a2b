/* SPDX-License-Identifier: BSD-3-Clause */
/* The model process: `homid --model-process`, started by homid and outliving it. */
#ifndef HOMI_DAEMON_MODEL_PROCESS_H
#define HOMI_DAEMON_MODEL_PROCESS_H

/*
 * Serves the specification (as spec_parse takes it) to whoever connects to the listening SOCK_SEQPACKET
 * socket, until SIGTERM or SIGINT. The exit status of the process.
 */
int model_main(int listener, const char *spec);

#endif
