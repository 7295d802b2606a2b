/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io.homi.Model: faults made while the software SSD runs. A socket of the model's own, so that they can be
 * made whatever homid does.
 */
#ifndef HOMI_DAEMON_MODEL_CONTROL_H
#define HOMI_DAEMON_MODEL_CONTROL_H

struct control;
struct event_base;
struct world;

/*
 * Listens beside the model's own socket, whose listening descriptor is given: for .../model.sock at
 * .../model-control.sock. 0 or a negative errno.
 */
int control_new(struct event_base *base, struct world *world, int listener, struct control **ret_control);
void control_free(struct control *control); /* NULL-safe */

#endif
