/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libhomi: NVMe queues of your own, from homid.
 *
 *   struct homi *homi;                          a connection to homid
 *   struct homi_lease *lease;                   one virtual function (VF) of one or several SSDs
 *   struct homi_memory *memory;                 pinned memory that the VFs may reach
 *   struct homi_queue_pair *pair;               an I/O submission and completion queue on a VF
 *
 * The calls here set things up and may block on homid. The data path is inline in <homi/queue.h> and
 * <homi/io.h>: it makes no system call and never talks to homid.
 *
 * Ownership: a child is freed before its parent (queue pairs, memory, lease, connection); freeing a parent
 * frees the children that are left. Everything ends with the process in any case. Threads: one connection and
 * all that came from it belong to one thread at a time, except that each queue pair may be driven by a thread
 * of its own once it exists. Errors: 0, a negative errno for failures of the machine, or a positive enum
 * homi_refusal for what homid refused; homi_error_text() has the last refusal in words, with the field or
 * limit concerned. Three errnos mean the connection itself: -EPROTO (homid said something that cannot be) and
 * -ECONNRESET (it hung up) end it, and every later call is -ENOTCONN; what the process held is given back by
 * then, so that its commands complete no more.
 */
#ifndef HOMI_HOMI_H
#define HOMI_HOMI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <homi/io.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define HOMI_TENANT_SOCKET "/run/homi/tenant.sock"

/* The errors of io.homi.Tenant, one to one. */
enum homi_refusal {
    HOMI_REFUSED_OTHER = 1, /* an error that this version does not know: see homi_error_name() */
    HOMI_REFUSED_PARAMETER, /* org.varlink.service.InvalidParameter */
    HOMI_REFUSED_PERMISSION,
    HOMI_REFUSED_TENANT_NOT_PERMITTED,
    HOMI_REFUSED_TENANT_AMBIGUOUS,
    HOMI_REFUSED_UNKNOWN_TENANT,
    HOMI_REFUSED_UNKNOWN_DEVICE,
    HOMI_REFUSED_UNKNOWN_LEASE,
    HOMI_REFUSED_UNKNOWN_VIRTUAL_FUNCTION,
    HOMI_REFUSED_UNKNOWN_REGION,
    HOMI_REFUSED_UNKNOWN_QUEUE_PAIR,
    HOMI_REFUSED_NAMESPACE_NOT_ALLOWED,
    HOMI_REFUSED_NAMESPACE_BUSY,
    HOMI_REFUSED_QUOTA,
    HOMI_REFUSED_TRUST_REQUIRED,
    HOMI_REFUSED_NO_VIRTUAL_FUNCTION,
    HOMI_REFUSED_WAIT_EXPIRED,
    HOMI_REFUSED_DEVICE_UNAVAILABLE,
    HOMI_REFUSED_GROUP_NOT_VIABLE,
    HOMI_REFUSED_FUNCTION_FAILED,
    HOMI_REFUSED_FUNCTION_RESET, /* the SSD was reset: call homi_recover() */
    HOMI_REFUSED_NO_QUEUE_PAIR,
    HOMI_REFUSED_NO_INTERRUPT,
    HOMI_REFUSED_DEPTH,
    HOMI_REFUSED_QUEUE_OUTSIDE_REGION,
    HOMI_REFUSED_MEMORY,
    HOMI_REFUSED_REGION_BUSY,
    HOMI_REFUSED_FD_COUNT,
    HOMI_REFUSED_VALUE,
    HOMI_REFUSED_COMMAND_NOT_PERMITTED,
    HOMI_REFUSED_COMMAND_FAILED,
    HOMI_REFUSED_LEASE_REVOKED,
    HOMI_REFUSED_LEASE_KIND,
    HOMI_REFUSED_CALLER_UNKNOWN,
    HOMI_REFUSED_LEASE_ONLY,
    HOMI_REFUSED_SYSTEM, /* homid's machine failed: see homi_error_text() */
};

struct homi;
struct homi_lease;
struct homi_memory;
struct homi_queue_pair;

/* ---- connection ---- */

/*
 * Connects to homid. socket_path: NULL for $HOMI_TENANT_SOCKET or HOMI_TENANT_SOCKET. Blocks until connected
 * (the daemon's socket is activated by systemd). Returns 0 or a negative errno (-ENOENT, -ECONNREFUSED,
 * -EACCES, ...).
 */
int homi_open(const char *socket_path, struct homi **ret_homi);
/* NULL-safe; gives back everything that came from it, and blocks until homid has confirmed that. */
void homi_close(struct homi *homi);

/* The last refusal's Varlink error ("io.homi.Tenant.QuotaExceeded"; "" when none) and its text. Valid until
 * the next call. */
const char *homi_error_name(const struct homi *homi);
const char *homi_error_text(const struct homi *homi);

/* What an error of any call here means, in words: for a negative errno or a positive enum homi_refusal. */
const char *homi_strerror(int error);

/* ---- lease ---- */

enum homi_attach_mode {
    HOMI_ATTACH_ANY,   /* join a lease that the tenant holds when it serves, else take a new one */
    HOMI_ATTACH_JOIN,  /* join one, or be refused */
    HOMI_ATTACH_FRESH, /* take a new one, or be refused */
};

/* Zero-initialise, then set what matters; zero and NULL mean "as the configuration allows". */
struct homi_attach_options {
    const char *tenant; /* may be NULL when the caller may act for just one */
    const char *lease;  /* join this one (a reservation, or one of the tenant's) */
    enum homi_attach_mode mode;
    const char *const *devices; /* one VF of each; NULL: one VF of some device */
    size_t device_count;
    const uint32_t *namespaces; /* ids; NULL: all that the tenant may have */
    size_t namespace_count;
    uint32_t queue_pairs;       /* on each VF */
    uint32_t wait_milliseconds; /* for a VF to become free */
};

/*
 * Attaches this process to a lease. options may be NULL; what they point to is not kept. Blocks up to
 * wait_milliseconds and what the device takes. Returns 0, a refusal, or a negative errno: of mapping the
 * doorbells, or -EINVAL for a mode that is none.
 */
int homi_attach(struct homi *homi, const struct homi_attach_options *options, struct homi_lease **ret_lease);

/* Gives this process's part of the lease back: its queue pairs and memory are freed first. NULL-safe. */
void homi_detach(struct homi_lease *lease);

const char *homi_lease_name(const struct homi_lease *lease);
size_t homi_lease_function_count(const struct homi_lease *lease);

/* A VF of a lease. */
struct homi_function_info {
    const char *name;   /* PCI address */
    const char *device; /* the SSD's name in homid's configuration */
    uint16_t controller_id;
    bool relayed;
    uint32_t page_bytes;         /* memory page size of the controller (CC.MPS) */
    uint32_t max_transfer_bytes; /* MDTS; a command moves at most this */
    uint32_t queue_entries_max;  /* CAP.MQES + 1 */
    uint32_t queue_pairs;        /* that the lease may have on this VF */
    uint32_t interrupts;         /* how many of them may have an interrupt */
    uint16_t optional_commands;  /* Identify Controller, ONCS */
    bool volatile_write_cache;
    size_t namespace_count;
};
/* By index below homi_lease_function_count(), else NULL. The struct belongs to the lease. */
const struct homi_function_info *homi_lease_function(const struct homi_lease *lease, size_t index);

/* A namespace of a VF, by index below namespace_count or by id (NULL when the VF has no such namespace). */
const struct homi_namespace *homi_function_namespace(const struct homi_lease *lease, size_t function,
                                                     size_t index);
const struct homi_namespace *homi_function_namespace_by_id(const struct homi_lease *lease, size_t function,
                                                           uint32_t id);

/* ---- memory ---- */

#define HOMI_MEMORY_HUGEPAGES 1u /* 2 MiB pages; -ENOMEM when the host has none free */

/*
 * Allocates, populates, seals and registers `bytes` of memory (rounded up to whole pages), zeroed.
 * Registering pins it: 4 KiB pages cost milliseconds per 10 MiB, hugepages far less. Keep and reuse it. Its
 * PRP table takes 1/256 of it from a pool of registered memory that the lease grows by 256 KiB or what is
 * needed.
 */
int homi_memory_new(struct homi_lease *lease, size_t bytes, unsigned flags, struct homi_memory **ret_memory);

/*
 * Registers a memfd of the caller's: sealed with F_SEAL_SHRINK, populated, not write-sealed. fd stays the
 * caller's. offset and bytes are multiples of its page size. The caller frees the memory object; the pages
 * stay the memfd's.
 */
int homi_memory_import(struct homi_lease *lease, int fd, uint64_t offset, size_t bytes,
                       struct homi_memory **ret_memory);

/* NULL-safe; not while commands that use it are in flight. */
void homi_memory_free(struct homi_memory *memory);

void *homi_memory_address(const struct homi_memory *memory);
size_t homi_memory_bytes(const struct homi_memory *memory);

/* What the data path needs of it, PRP table included: see homi/region.h. Valid as long as the memory is. */
const struct homi_region_map *homi_memory_region(const struct homi_memory *memory);

/* ---- queue pairs ---- */

struct homi_queue_options {
    size_t function; /* index of the VF in the lease */
    uint32_t
        entries;    /* of each queue, 2 to queue_entries_max; one stays empty. 0: 256 or what the VF allows */
    bool interrupt; /* an eventfd tells of completions: homi_queue_pair_event_fd() */
    bool lists;     /* memory for PRP lists built on the fly, which scatter lists of over two pages need */
};

/*
 * Creates a queue pair in memory of its own, out of the lease's pool. options may be NULL. Returns 0, a
 * refusal, or a negative errno: -EINVAL for a function that the lease has not.
 */
int homi_queue_pair_new(struct homi_lease *lease, const struct homi_queue_options *options,
                        struct homi_queue_pair **ret_pair);

/* Deletes it on the device; commands in flight end without a completion. NULL-safe. */
void homi_queue_pair_free(struct homi_queue_pair *pair);

/* The queue that <homi/queue.h> works on; one thread at a time. */
struct homi_queue *homi_queue_pair_queue(struct homi_queue_pair *pair);
uint16_t homi_queue_pair_id(const struct homi_queue_pair *pair);

/* The eventfd of an interrupt queue pair (owned by the pair; poll it, do not read it elsewhere), else
 * -ENOTSUP. */
int homi_queue_pair_event_fd(const struct homi_queue_pair *pair);

/*
 * Waits for a completion without burning CPU: sleeps on the eventfd until one is there or
 * timeout_milliseconds (-1: for ever) have passed. Returns 0 when homi_queue_reap will find something,
 * -ETIMEDOUT, -ENOTSUP for a polled pair, or -EIO / -ENODEV when the controller failed or is gone (noticed
 * within a second). Signals do not end the wait. To sleep on several queue pairs at once, ask
 * homi_queue_posted() for each, poll their eventfds when none has a completion, then call this with timeout 0
 * for each, which clears them.
 */
int homi_queue_pair_wait(struct homi_queue_pair *pair, int timeout_milliseconds);

/* ---- after a reset ---- */

/*
 * Makes a lease usable again after a reset of its SSD (HOMI_EVENT_FUNCTION_RESET, or
 * HOMI_REFUSED_FUNCTION_RESET): waits until homid has brought its VFs up again, and creates the queue pairs
 * that the reset took, each in the same memory and with as many entries as before, perhaps with another id
 * and eventfd. Memory keeps its addresses, on both sides. A queue pair that is still there is left alone, so
 * calling it without a reset does no harm.
 *
 * Commands in flight will not complete, and may have been executed or not: lost (NULL: nobody) is called with
 * the cookie of each, before its queue pair is made anew. Reap first what was completed. No thread may use a
 * queue pair of the lease meanwhile.
 *
 * Returns 0, a refusal (HOMI_REFUSED_LEASE_REVOKED: the VFs did not come back), or a negative errno. When it
 * fails half way (HOMI_REFUSED_FUNCTION_RESET: one more reset came) it may be called again.
 */
int homi_recover(struct homi_lease *lease,
                 void (*lost)(void *user, struct homi_queue_pair *pair, uint64_t cookie), void *user);

/* ---- what the controller says ---- */

#define HOMI_IDENTIFY_BYTES 4096
#define HOMI_LOG_BYTES_MAX  4096

/*
 * These are executed by homid, which permits what concerns the caller's own functions and namespaces.
 * function is an index of the lease (-EINVAL otherwise). What the controller refused is
 * HOMI_REFUSED_COMMAND_FAILED.
 *
 * Identify: the data structure (HOMI_IDENTIFY_BYTES) by CNS (NVMe Base 2.0, section 5.17); namespace_id 0
 * where it does not apply.
 */
int homi_identify(struct homi_lease *lease, size_t function, uint8_t cns, uint32_t namespace_id,
                  void *ret_data);
/* bytes: a multiple of 4, 4 to HOMI_LOG_BYTES_MAX (section 5.16); namespace_id 0: the whole controller. */
int homi_get_log_page(struct homi_lease *lease, size_t function, uint8_t page, uint32_t namespace_id,
                      size_t bytes, void *ret_data);
/* Dword 0 of the completion of Get Features (section 5.15). */
int homi_get_feature(struct homi_lease *lease, size_t function, uint8_t feature, uint32_t *ret_value);

/* ---- events ---- */

enum homi_event_kind {
    HOMI_EVENT_REVOKED = 1,
    HOMI_EVENT_FUNCTION_RESET,
    HOMI_EVENT_FUNCTION_FAILED,
    HOMI_EVENT_NAMESPACE_CHANGED,
    HOMI_EVENT_QUEUE_PAIR_FAILED, /* what the process wrote to its doorbells cannot be; it is deleted */
    HOMI_EVENT_REVOKING,          /* the lease will be taken away soon: give it back */
};

struct homi_event {
    enum homi_event_kind kind;
    char lease[64];
    char function[32]; /* "" when it concerns the whole lease */
    char reason[128];
};

/*
 * A descriptor that polls readable when there may be an event. Take events until homi_event_next() returns 0
 * before polling again. Opens a connection of its own at the first call. Returns it or a negative errno; it
 * stays the library's.
 */
int homi_event_fd(struct homi *homi);
/*
 * Returns 1 and the event, 0 when there is none now, or a negative errno: -EBADF before homi_event_fd(),
 * -EACCES when homid refused (see homi_error_name()), -ECONNRESET at the end of the stream. Never blocks.
 */
int homi_event_next(struct homi *homi, struct homi_event *ret_event);

/* ---- other interfaces of homid ---- */

/*
 * One Varlink call on a socket of homid, for programs that speak more of the protocol than this library wraps
 * (homictl does). parameters (NULL: none; -EINVAL when it is no JSON object) and the reply are JSON texts;
 * *ret_reply is owned by the caller (free). A reply that is an error is HOMI_REFUSED_OTHER or its own
 * refusal, with homi_error_name() set and its parameters in *ret_reply; on a negative errno *ret_reply is
 * untouched. Replies with descriptors are not for this call (-EPROTO).
 */
int homi_call(struct homi *homi, const char *method, const char *parameters, char **ret_reply);
/* The same with more: each(reply, user) is called for every reply until it returns nonzero or the stream
 * ends. */
int homi_call_more(struct homi *homi, const char *method, const char *parameters,
                   int (*each)(const char *reply, void *user), void *user);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
