/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods of io.homi.Model; the user of each handler is the world. */
#ifndef HOMI_DAEMON_MODEL_CONTROL_METHODS_H
#define HOMI_DAEMON_MODEL_CONTROL_METHODS_H

#include "proto/service.h"

extern const struct varlink_method_entry control_methods[];

#endif
