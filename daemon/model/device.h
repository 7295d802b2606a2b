/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model SSD: what its specification says, its physical function's resources, its namespaces and its VFs.
 * Threads: as function.h says.
 */
#ifndef HOMI_DAEMON_MODEL_DEVICE_H
#define HOMI_DAEMON_MODEL_DEVICE_H

#include "daemon/model/faults.h"
#include "daemon/model/function.h"
#include "daemon/model/namespace.h"
#include "daemon/model/spec.h"

struct world;

struct device {
    struct world *world;
    const struct device_spec *spec;
    unsigned number;
    char address[HW_ADDRESS_BYTES];
    unsigned functions_enabled;                              /* NumVFs */
    struct function *functions;                              /* spec->functions of them */
    struct namespace *namespaces[SPEC_NAMESPACE_ID_MAX + 1]; /* by id */
    struct faults faults;
    uint16_t queues_free, interrupts_free; /* flexible resources in the pool */

    uint64_t strays; /* accesses outside the domains of functions that were closed */
    uint64_t commands_locked[4], features_locked[4]; /* by Lockdown: a bit per opcode resp. feature */

    bool absent;         /* taken away */
    uint64_t back_at;    /* when it returns; 0: not by itself */
    unsigned wanted;     /* enum device_act bits that a poller found a reason for */
    uint64_t absent_for; /* milliseconds, of a wanted removal */
};

enum device_act { DEVICE_ACT_RESET = 1, DEVICE_ACT_REMOVE = 2 };

/* What the controller of a command is: a VF's, or the PF's. */
struct admin_call {
    struct device *device;
    struct function *function; /* NULL: the PF */
    const struct nvme_command *command;
    uint8_t data[PAGE_BYTES]; /* what came with the command, then what goes back */
    uint32_t data_bytes;      /* of what goes back */
    uint32_t value;           /* DW0 of the completion */
};

int device_new(struct world *world, const struct device_spec *spec, unsigned number,
               struct device **ret_device);
void device_free(struct device *device); /* NULL-safe */
void device_function_address(const struct device *device, unsigned index, char address[HW_ADDRESS_BYTES]);
/* The namespace as a controller sees it: NULL when it is not attached (function NULL: the PF). */
struct namespace *device_namespace(const struct device *device, const struct function *function, uint32_t id);
/* What a device does for which RULE_ATTACH_KEPT resp. RULE_DATA_KEPT is switched off. */
void device_detach_all(const struct function *function);
void device_lose_data(const struct device *device);
unsigned device_controller_number(const struct function *function); /* as in struct namespace */

/* ---- sriov.c ---- */

/* Writes NumVFs. -EBUSY: it is not 0 and shall become another number; -ERANGE. */
int device_set_functions(struct device *device, unsigned count);
uint16_t virtualization_management(struct admin_call *call); /* of the PF only */
/* A VF has what it needs to be brought online (section 8.26). */
bool function_usable(const struct function *function);
/* A controller that goes offline loses its resources, and whoever uses it finds it dead. */
void function_take_offline(struct function *function, const char *reason);

/* ---- life.c: what happens to the whole device; each is told as news ---- */

void device_reset(struct device *device); /* of the PF: takes every VF offline */
/* Taken away for so many milliseconds (0: until device_return): registers read all ones, jobs find nothing.
 */
void device_remove(struct device *device, uint64_t milliseconds);
void device_return(struct device *device); /* with no VF enabled; its namespaces kept what they held */
/* Has that done as soon as somebody holds the lock alone. Any thread that holds it shared. */
void device_want(struct function *function, enum device_act act, uint64_t milliseconds);
void device_act(struct device *device); /* does what is wanted */

/* ---- function.c ---- */

int function_open(struct function *function);
void function_close(struct function *function);
/* The open function whose BAR or domain is the memfd of this inode; NULL: none any more. */
struct function *function_of(const struct world *world, ino_t inode);

/* ---- admin commands by what they do: a status each ---- */

uint16_t admin_execute(struct admin_call *call);
uint16_t admin_identify(struct admin_call *call);
uint16_t admin_log_page(struct admin_call *call);
uint16_t admin_get_features(struct admin_call *call);
uint16_t admin_set_features(struct admin_call *call);
uint16_t admin_create_completion(struct admin_call *call);
uint16_t admin_create_submission(struct admin_call *call);
uint16_t admin_delete_completion(struct admin_call *call);
uint16_t admin_delete_submission(struct admin_call *call);
uint16_t admin_namespace_management(struct admin_call *call);
uint16_t admin_namespace_attachment(struct admin_call *call);
uint16_t admin_format(struct admin_call *call);
uint16_t admin_lockdown(struct admin_call *call);
/* Whether a Lockdown of whichever controller prohibits the command on all of them (section 5.19). */
bool admin_locked(const struct device *device, const struct nvme_command *command);
/* Whether this controller carries the opcode out at all (what its Commands Supported log says). */
bool admin_supported(const struct device *device, const struct function *function, uint8_t opcode);

#endif
