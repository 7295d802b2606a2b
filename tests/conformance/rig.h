/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device behind the hardware interface, for cases that are run against any: one operation at a time, each
 * waited for, and a queue pair that a case drives by hand, command by command, as a tenant would.
 */
#ifndef HOMI_TESTS_CONFORMANCE_RIG_H
#define HOMI_TESTS_CONFORMANCE_RIG_H

#include <sys/types.h>

#include "daemon/hw/backend.h"
#include "daemon/model/nvme.h"

struct event_base;

#define RIG_IOVA  UINT64_C(0x1000000) /* where the memory of a case lies for the device */
#define RIG_BYTES (UINT64_C(8) << 20)

/* Places in that memory. */
enum {
    RIG_SUBMISSION = 0,
    RIG_COMPLETION = 0x10000,
    RIG_LISTS = 0x20000,
    RIG_DATA = 0x100000,
    RIG_OTHER = 0x400000, /* a second buffer */
};

struct rig;

/* A queue pair that a case drives. */
struct lane {
    struct rig *rig;
    uint16_t id;
    uint32_t entries, tail, head;
    bool phase;
    struct nvme_command *submission;
    volatile uint64_t *completion;
    volatile uint32_t *submission_doorbell, *completion_doorbell;
};

struct lane_result {
    uint16_t cid, head, queue;
    uint16_t status; /* SCT and SC */
    uint32_t value;
};

struct rig {
    struct event_base *base;
    struct hw_backend *backend;
    struct hw_device *device;
    struct hw_function *function; /* of VF 0, once open */
    struct hw_function_info info;
    struct hw_device_info device_info;
    uint8_t *memory; /* RIG_BYTES, mapped at RIG_IOVA while open */
    volatile uint8_t *bar;
    int memfd;
    enum hw_event last_event;
    unsigned told; /* bit mask of the events that came and were not waited for yet */
    unsigned events;
    char last_text[HW_REASON_BYTES];
    pid_t model; /* that the rig started; -1: it ended; 0: there is none */
    char directory[64];
    unsigned patience; /* milliseconds for a completion that shall come */
    /* the namespace of the cases */
    uint32_t nsid, other_nsid; /* other: not attached to this VF; 0: none is known */
    uint32_t block;            /* bytes */
    uint64_t blocks;
    /* of a controller that a case drives itself */
    struct lane admin;
    bool worn; /* to be closed and opened before the next case */
    uint16_t cid;
    uint32_t value;           /* DW0 of the last admin command */
    struct lane_result stray; /* the last completion of an event request, and how many there were */
    unsigned strays;
    /* how the last operation ended */
    bool done;
    struct hw_result result; /* its pointers are not valid any more */
    struct hw_secondary secondaries[HW_FUNCTIONS_MAX];
    unsigned secondary_count;
    unsigned functions, queues, interrupts; /* as provisioned */
};

/* A rig on a software SSD of this specification (its first device), in a process of its own. */
struct rig *rig_new(const char *spec);
/* One on the machine's own SSD; either may be NULL. The program serves as its own helper: `PROGRAM --helper`.
 */
struct rig *rig_new_hardware(const char *serial, const char *address);
/* Takes every VF offline that somebody provisioned. */
int rig_take_down(struct rig *rig);
void rig_free(struct rig *rig);
/* Of a rig whose model was killed: takes the model's sockets away. Memory goes with the process. */
void rig_leave(struct rig *rig);
/* Another backend on the same software SSD, which asks for `spec`; its events go to *other. */
void rig_join(struct rig *rig, struct rig *other, const char *spec);

/* hw_done that keeps the result; user is the rig. */
void rig_done(void *user, const struct hw_result *result);
/* Runs the loop until an operation ended; aborts after 20 s. Its error. */
int rig_wait(struct rig *rig);
void rig_run(struct rig *rig, unsigned milliseconds); /* lets the event loop run so long */
void rig_forget(struct rig *rig);                     /* the events that came */
/* Whether this event came since it was last waited for, or does within 5 s. */
bool rig_event(struct rig *rig, enum hw_event event);

int rig_probe(struct rig *rig); /* rig->device_info */
/* Enables `functions` VFs, gives each queues and interrupts, brings them online and binds them. Takes down
 * what was there before. */
int rig_provision(struct rig *rig, unsigned functions, unsigned queues, unsigned interrupts);
/* Opens VF `index`, maps the memory and attaches the namespace (0: none). */
int rig_open(struct rig *rig, unsigned index, uint32_t namespace_id);
int rig_close(struct rig *rig);
int rig_list(struct rig *rig); /* the secondary controllers: rig->secondaries */
int rig_attach(struct rig *rig, uint32_t namespace_id, uint16_t controller, bool attach);

/* Through the backend. */
int lane_open(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries, uint16_t vector);
/* Of queues that lie at these places of the rig's memory; nothing is created. */
void lane_init(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries, uint64_t submission_at,
               uint64_t completion_at);
/* Puts a command at the tail; its identifier is chosen by the caller. lane_ring tells the device. */
void lane_put(struct lane *lane, struct nvme_command command);
void lane_ring(struct lane *lane);
/* The next completion, or false after the time. */
bool lane_reap(struct lane *lane, unsigned milliseconds, struct lane_result *ret_result);
/* All of that for one command: its status, or UINT16_MAX when nothing came. */
uint16_t lane_give(struct lane *lane, struct nvme_command command);
uint64_t rig_now(void); /* monotonic, milliseconds */
void rig_write_doorbell(struct rig *rig, volatile uint32_t *doorbell, uint32_t value);

#endif
