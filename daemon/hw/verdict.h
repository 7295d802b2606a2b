/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What direct delegation of a VF would mean on this device, by an allowlist: whoever holds the VFIO device
 * has its controller's admin queue, so everything beyond what concerns that controller alone must be refused
 * there.
 *
 * The controller is asked what it has (OACS; the Commands Supported and Effects log page; CAP.NSSRS) and then
 * tried: commands that it says it has not got are sent with arguments that can do no harm where it has them
 * after all. What cannot be tried so (firmware, sanitize, security, NVMe-MI, vendor opcodes) rests on its
 * word, and a controller that does not give it is unknown. Its answers decide nothing but this VF's verdict.
 *
 * No I/O here: the caller sends.
 */
#ifndef HOMI_DAEMON_HW_VERDICT_H
#define HOMI_DAEMON_HW_VERDICT_H

#include "daemon/hw/admin_queue.h"
#include "daemon/hw/backend.h"

#define VERDICT_OPCODES 256

/* What the controller says of itself (NVMe Base 2.0, sections 3.1.3.1, 5.16.1.6 and 5.17.2.1). */
struct verdict_facts {
    bool subsystem_reset;        /* CAP.NSSRS */
    uint16_t optional_commands;  /* OACS */
    bool select;                 /* ONCS bit 4: Get Features tells what can be changed */
    bool effects_known;          /* the log page was there: */
    bool admin[VERDICT_OPCODES]; /* CSUPP of each admin opcode */
};

/* Takes ACS0 to ACS255 from the log page. */
void verdict_read_effects(struct verdict_facts *facts, const uint8_t *log);

/* By what it says alone: HW_CONFINED when there is nothing against it, and it is to be tried then. */
void verdict_by_facts(const struct verdict_facts *facts, struct hw_verdict *ret_verdict);

/* What is tried, from 0. false: that was all. */
bool verdict_trial(const struct verdict_facts *facts, unsigned number, struct admin_command *ret_command,
                   const char **ret_name);
/* What the outcome of a trial makes of the verdict so far. */
void verdict_take(const struct verdict_facts *facts, unsigned number,
                  const struct admin_completion *completion, struct hw_verdict *verdict);

#endif
