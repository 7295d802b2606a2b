/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One virtual function of a model device: its BAR (registers and doorbells in a memfd), its IOMMU domain,
 * its queues, and what its controller remembers. A function exists as long as its device; it is open while
 * homid (or a conformance test) drives it.
 *
 * Threads: while open, its doorbells and I/O queues belong to one poller thread, which holds the world's lock
 * shared; everything else changes under the lock held alone (see world.h).
 */
#ifndef HOMI_DAEMON_MODEL_FUNCTION_H
#define HOMI_DAEMON_MODEL_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/hw/backend.h"
#include "daemon/model/iommu.h"
#include "daemon/model/nvme.h"

#define FUNCTION_EVENT_REQUESTS_MAX 4 /* AERL + 1 */
#define FUNCTION_EVENTS_MAX         8 /* kept until a request takes them */
#define FUNCTION_FEATURES           16

struct device;
struct poller;
struct fault_spec;

struct completion_queue {
    bool present, interrupts, phase;
    uint16_t vector;
    uint32_t entries, head, tail;
    unsigned users; /* submission queues */
    uint64_t iova;
    uint64_t *host; /* where all of it lies in one mapping; NULL: entry by entry */
};

struct submission_queue {
    bool present;
    uint16_t id, completion_id;
    uint32_t entries, head, tail;
    uint64_t iova;
    const struct nvme_command *host;
};

/* A completion that is not due yet. */
struct deferred {
    TAILQ_ENTRY(deferred) link;
    uint64_t due; /* monotonic, milliseconds; UINT64_MAX: never */
    uint16_t queue, cid, status;
    uint32_t value;
};

enum function_wakefulness { FUNCTION_ASLEEP, FUNCTION_AWAKE, FUNCTION_WAITING };

/* What tells an open function from every other: the inode of a memfd of it. */
struct function_key {
    ino_t inode; /* 0: not open */
    struct function *function;
};

struct function {
    struct device *device;
    unsigned index; /* of the VF, 0-based */
    uint16_t controller_id;
    uint16_t queues, interrupts; /* flexible resources assigned (VQ, VI) */
    bool online;

    /* -- while open -- */
    bool open;
    int bar_fd, wake_fd, domain_fd, request_fd, error_fd;
    struct function_key bar_key, domain_key;
    int vectors[HW_INTERRUPTS_MAX];
    unsigned vector_count;
    uint8_t *bar;
    uint64_t bar_bytes;
    unsigned doorbell_shift; /* 2 + CAP.DSTRD */
    volatile uint32_t *wake; /* not 0 while the poller does not look */
    struct iommu iommu;

    /* -- the controller -- */
    uint32_t configuration; /* CC as last acted upon */
    bool enabled;
    uint64_t ready_at; /* when CSTS.RDY follows; 0: it has */
    unsigned queue_count;
    struct submission_queue *submission; /* by id, 0 is the admin queue */
    struct completion_queue *completion;
    uint16_t *active; /* ids of the I/O submission queues that are there */
    unsigned active_count;
    TAILQ_HEAD(, deferred) deferred;
    unsigned deferred_count;

    uint32_t features[FUNCTION_FEATURES];
    bool queues_created; /* since reset: Number of Queues is fixed */
    uint16_t event_requests[FUNCTION_EVENT_REQUESTS_MAX];
    unsigned event_request_count;
    uint32_t events[FUNCTION_EVENTS_MAX];
    unsigned event_count;
    uint8_t events_masked; /* event types whose log page was not read yet */
    uint32_t changed_namespaces[64];
    unsigned changed_count;
    uint64_t errors, commands_read, commands_written; /* for the log pages */

    /* -- the poller's -- */
    struct poller *poller;
    TAILQ_ENTRY(function) link;
    enum function_wakefulness wakefulness;
    uint64_t idle_since; /* by the poller's clock */
    bool attention;      /* registers or the admin queue want the world's lock */
    uint64_t served;     /* I/O commands completed */
};

/* ---- controller.c: registers, enable, reset, shutdown (NVMe Base 2.0, sections 3.1.3, 3.5, 3.6) ---- */

void controller_start(struct function *function);     /* power on: fills the registers */
void controller_registers(struct function *function); /* acts on what was written to them */
void controller_tick(struct function *function, uint64_t now);
void controller_reset(struct function *function);
void controller_fail(struct function *function, const char *reason); /* CSTS.CFS */
void controller_vanish(struct function *function);           /* from now on its registers read all ones */
uint32_t controller_status(const struct function *function); /* CSTS */

/* ---- queues.c ---- */

bool queues_new(struct function *function, unsigned count); /* admin queue included */
void queues_free(struct function *function);
void queues_resolve(struct function *function); /* after the domain changed: finds their memory again */
void submission_open(struct function *function, uint16_t id, uint64_t iova, uint32_t entries,
                     uint16_t completion_id);
void submission_close(struct function *function, uint16_t id);
void completion_open(struct function *function, uint16_t id, uint64_t iova, uint32_t entries);
void completion_close(struct function *function, uint16_t id);
/* Raises an event for doorbells that were written although their queue is not there. */
void doorbells_look(struct function *function);
volatile uint32_t *queue_doorbell(const struct function *function, uint16_t id, bool completion);
/* How many entries can be posted; looks at the head doorbell only when they run out. */
uint32_t completion_room(struct function *function, uint16_t id);
/* Whether an entry is there to be fetched; raises an event and ignores a doorbell that is out of range. */
bool submission_pending(struct function *function, struct submission_queue *queue);
/* Copies the entry at the head and takes it. false: its memory is gone, the controller has failed. */
bool submission_fetch(struct function *function, struct submission_queue *queue,
                      struct nvme_command *ret_command);
void completion_post(struct function *function, const struct submission_queue *queue, uint16_t cid,
                     uint16_t status, uint32_t value);
void completion_signal(struct function *function, uint16_t id); /* the interrupt, where it has one */
/* Completes a command at a later time; out of memory completes it at once. */
void completion_defer(struct function *function, const struct submission_queue *queue, uint16_t cid,
                      uint16_t status, uint32_t value, uint64_t due);
void completions_due(struct function *function, uint64_t now);

/* ---- prp.c (section 4.1.1) ---- */

struct segment;
/* Resolves a transfer to memory. 0 or a status; nothing was transferred. segments holds `max`. */
uint16_t prp_resolve(struct function *function, const struct nvme_command *command, uint64_t bytes,
                     unsigned access, struct segment *segments, unsigned max, unsigned *ret_count);

/* ---- io.c ---- */

void io_serve(struct function *function, struct submission_queue *queue, unsigned budget);

/* ---- admin.c ---- */

void admin_serve(struct function *function);

/* Carries out a fault that a command does not survive. false: it is not one of these. */
bool fault_is_lethal(struct function *function, const struct fault_spec *fault);

/* ---- events.c: asynchronous events (section 5.2) ---- */

void event_raise(struct function *function, uint8_t type, uint8_t information, uint8_t page);
void event_raise_value(struct function *function, uint32_t value); /* DW0 of its completion */
void event_request(struct function *function, uint16_t cid);
void event_page_read(struct function *function, uint8_t page);
void event_namespace_changed(struct function *function, uint32_t nsid);

#endif
