/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control plane's mind: devices and their virtual functions, leases, quotas and who may have what. No
 * system call, no JSON, no event loop, no libnvme: it is told what happened (a call, a hardware result, a
 * timer) and says what to do through hw/backend.h and the listener. So it is tested without hardware, and one
 * thread owns all of it.
 *
 * Ownership: core owns everything it hands out; views are valid during the callback. A client belongs to the
 * caller until core_client_gone, which gives back what it holds; operations of it that are still under way
 * end without a callback. A callback may call into the core again, but not free it.
 */
#ifndef HOMI_DAEMON_CORE_CORE_H
#define HOMI_DAEMON_CORE_CORE_H

#include "daemon/core/config.h"
#include "daemon/hw/backend.h"

#define CORE_NAME_BYTES           64 /* of a lease, tenant or device, its NUL included */
#define CORE_LEASE_DEVICES_MAX    8  /* VFs of one lease: two file descriptors each in one message */
#define CORE_LEASE_NAMESPACES_MAX 32
#define CORE_LEASES_MAX           1024
/* A day: so long at most an operator may wait for the end of all leases. */
#define CORE_DRAIN_MILLISECONDS_MAX 86400000
#define CORE_REGION_BYTES_MAX       (UINT64_C(1) << 40)
#define CORE_QUEUE_ENTRIES_MIN      2
#define CORE_GRACE_SECONDS_MAX      86400
#define CORE_EXPIRES_SECONDS_MAX    (10 * 365 * 86400)

struct core;
struct core_client;

/* ---- refusals: one to one with the errors of the Varlink interfaces ---- */

enum core_refusal {
    CORE_REFUSED_TENANT_NOT_PERMITTED = 1, /* name */
    CORE_REFUSED_TENANT_AMBIGUOUS,         /* names: ask core_client_tenants */
    CORE_REFUSED_UNKNOWN_TENANT,           /* name */
    CORE_REFUSED_UNKNOWN_DEVICE,           /* name */
    CORE_REFUSED_UNKNOWN_LEASE,            /* name */
    CORE_REFUSED_UNKNOWN_FUNCTION,         /* name */
    CORE_REFUSED_UNKNOWN_REGION,           /* value */
    CORE_REFUSED_UNKNOWN_QUEUE_PAIR,       /* value */
    CORE_REFUSED_NAMESPACE_NOT_ALLOWED,    /* name: device, value: id */
    CORE_REFUSED_NAMESPACE_BUSY,           /* name: device, value: id, text: holder */
    CORE_REFUSED_QUOTA,                    /* quota, limit, value: used */
    CORE_REFUSED_TRUST_REQUIRED,           /* name: tenant */
    CORE_REFUSED_NO_FUNCTION_FREE,         /* name: device */
    CORE_REFUSED_WAIT_EXPIRED,             /* name: device, value: milliseconds */
    CORE_REFUSED_DEVICE_UNAVAILABLE,       /* name: device, text: reason */
    CORE_REFUSED_GROUP_NOT_VIABLE,         /* name: function, value: group */
    CORE_REFUSED_FUNCTION_FAILED,          /* name: function, text: reason */
    CORE_REFUSED_NO_QUEUE_PAIR_FREE,       /* name: function, limit */
    CORE_REFUSED_NO_INTERRUPT_FREE,        /* name: function, limit */
    CORE_REFUSED_DEPTH,                    /* value: entries, minimum, limit: maximum */
    CORE_REFUSED_QUEUE_OUTSIDE_REGION,     /* name: field */
    CORE_REFUSED_REGION_BUSY,              /* value: region, limit: queue pairs in it */
    CORE_REFUSED_VALUE,                    /* name: field, minimum, limit: maximum */
    CORE_REFUSED_COMMAND_NOT_PERMITTED,    /* name: field */
    CORE_REFUSED_COMMAND_FAILED,           /* value: NVMe status */
    CORE_REFUSED_LEASE_REVOKED,            /* name: lease, text: reason */
    CORE_REFUSED_LEASE_HELD,               /* name: lease, value: holders */
    CORE_REFUSED_NOT_QUARANTINED,          /* name: device */
    CORE_REFUSED_UNKNOWN_NAMESPACE,        /* name: device, value: id */
    CORE_REFUSED_LEASE_KIND,               /* name: lease, text: its kind */
    CORE_REFUSED_USER_NOT_PERMITTED,       /* name: tenant, value: uid, or -1 when several could be meant */
    CORE_REFUSED_UNKNOWN_KEEPER,           /* name: the process or unit */
    CORE_REFUSED_LEASE_ONLY,               /* name: lease */
    CORE_REFUSED_FUNCTION_RESET,           /* name: function, text: reason */
};

enum core_quota {
    CORE_QUOTA_FUNCTIONS,
    CORE_QUOTA_QUEUE_PAIRS,
    CORE_QUOTA_MEMORY_BYTES,
    CORE_QUOTA_CONNECTIONS,
    CORE_QUOTA_REGIONS,
    CORE_QUOTA_WAITING,
    CORE_QUOTA_QUEUE_PAIRS_PER_SECOND,
};

/* code: 0, a negative errno (text: what was being done), or an enum core_refusal with the members named
 * above. */
struct core_error {
    int code;
    char name[CORE_NAME_BYTES];
    char text[HW_REASON_BYTES];
    int64_t value, minimum, limit;
    enum core_quota quota;
};

/* ---- what the core tells ---- */

enum core_event_kind {
    CORE_EVENT_DEVICE_STATE,
    CORE_EVENT_FUNCTION_STATE,
    CORE_EVENT_LEASE_GRANTED,
    CORE_EVENT_LEASE_ENDED,
    CORE_EVENT_REFUSED,
    CORE_EVENT_QUEUE_CREATED,
    CORE_EVENT_QUEUE_DELETED,
    CORE_EVENT_MEMORY_REGISTERED,
    CORE_EVENT_MEMORY_RELEASED,
    CORE_EVENT_FAULT,
    CORE_EVENT_LEASE_LOST, /* by one of its holders, against its will */
    /* of a client's leases: also told to its tenant */
    CORE_EVENT_LEASE_REVOKED,
    CORE_EVENT_LEASE_REVOKING, /* soon; pid and uid are the operator's */
    CORE_EVENT_FUNCTION_RESET,
    CORE_EVENT_FUNCTION_FAILED,
    CORE_EVENT_NAMESPACE_CHANGED,
    CORE_EVENT_QUEUE_FAILED,
};

/* Strings are NULL and pid is 0 where they do not apply. */
struct core_event {
    enum core_event_kind kind;
    const char *device, *function, *lease, *tenant;
    pid_t pid;
    uid_t uid;
    const char *text;
};

/* Whose end ends a lease: a process, a systemd unit (or neither: pid 0 and an empty name). */
struct core_keeper {
    pid_t pid;
    uint64_t start_time; /* of the process, 0: not known yet; with it a number used again is told apart */
    char unit[CORE_NAME_BYTES];
};

/* ---- what outlives homid (daemon/core/record.h) ---- */

enum core_record_kind {
    CORE_RECORD_FUNCTION = 1,
    CORE_RECORD_LEASE,
    CORE_RECORD_HOLDER,
    CORE_RECORD_REGION,
    CORE_RECORD_QUEUE_PAIR,
    CORE_RECORD_SPACE,
    CORE_RECORD_KINDS,
};

struct core_archive {
    /* A new record, by number; a negative errno: then what it is about does not come to be. */
    int (*add)(void *user, uint16_t kind, const void *record, size_t bytes, uint32_t *ret_number);
    void (*set)(void *user, uint32_t number, const void *record, size_t bytes);
    void (*remove)(void *user, uint32_t number);
    /* Keeps a function's descriptors (borrowed) under the number of its record. */
    int (*keep)(void *user, uint32_t number, const int *fds, size_t count);
    /* Takes out those that an earlier homid kept; they are the caller's then. false: not all are there. */
    bool (*take)(void *user, uint32_t number, int *ret_fds, size_t count);
    /* Lets them go; done(done_user), never from within, when nobody holds them any more but the caller. */
    void (*let_go)(void *user, uint32_t number, size_t count, void (*done)(void *done_user), void *done_user);
    /* The call that is being made on this connection takes something away from now on. */
    void (*begun)(void *user, uint32_t connection);
    void (*lease_numbered)(void *user, uint64_t number); /* the highest that was given out */
    void *user;
};

struct core_listener {
    uint64_t (*now)(void *user); /* monotonic, milliseconds */
    void (*timer)(void *user,
                  uint64_t at); /* call core_tick at this time; UINT64_MAX: no need. Replaces the last one */
    void (*event)(void *user, const struct core_event *event);
    /* Calls core_keeper_ended(lease) once the keeper has ended, never from within. -ESRCH: there is none. */
    int (*keep)(void *user, const char *lease, struct core_keeper *keeper); /* notes its start time */
    void (*forget_keeper)(void *user, const char *lease);                   /* the lease is over */
    /* A step of a function's life cycle ended; operation is a constant. Called from within the core. NULL:
     * nobody counts. */
    void (*step)(void *user, const char *operation, bool failed, uint64_t milliseconds);
    void (*changed)(void *user); /* the status line or readiness may be different now */
    /* Ends a client's connection, or its process; may be NULL. core_client_gone follows, now or later. */
    void (*expel)(void *user, void *client_user, bool kill);
    void *user;
    const struct core_archive *archive; /* NULL: nothing outlives homid */
};

/* backend must outlive the core, config too, or until another one takes its place. */
int core_new(const struct core_config *config, struct hw_backend *backend,
             const struct core_listener *listener, struct core **ret_core);
/*
 * Judges by another configuration from now on, and lets go of the old one. Its devices are the same, in the
 * same order (-EINVAL). What is held stays with its holder until it is given back, also of tenants that are
 * no more; requests that wait and would be refused now are refused. -ENOMEM: nothing was changed.
 */
int core_reconfigure(struct core *core, const struct core_config *config);
void core_free(struct core *core); /* NULL-safe; closes nothing on the device: core_stop does */

/*
 * The backend's listener, for its constructor. user is what the core gave device_new and open: objects of the
 * core, so the backend can be made first and handed to core_new.
 */
void core_device_event(void *user, struct hw_device *device, enum hw_event event, const char *text);
void core_function_event(void *user, struct hw_function *function, enum hw_event event, const char *text);
void core_queue_ended(void *user, struct hw_function *function, uint16_t id, const char *reason);

/* Before core_start: no device is touched, and all are quarantined for this reason (borrowed) for good. */
void core_set_aside(struct core *core, const char *reason);
void core_start(struct core *core); /* brings every configured device to its desired state */
/*
 * Before core_start, when an earlier homid left records: its clients, made anew, with the numbers of their
 * connections; then each record, all of one kind after all of another in the order of enum core_record_kind;
 * then the end. Records that do not fit the configuration any more are removed, and what they are about is
 * given back.
 */
void core_restore_begin(struct core *core, uint64_t lease_number);
void core_restore_record(struct core *core, uint32_t number, uint16_t kind, const void *record, size_t bytes);
void core_restore_end(struct core *core);
/* What was half done is still being finished or undone; calls had better wait. */
bool core_restoring(const struct core *core);
/* Drains everything and takes the VFs down (offline, numvfs 0); done(user) when finished. */
void core_stop(struct core *core, void (*done)(void *user), void *user);
/*
 * There is no more time for that: every controller that is left is taken offline, which nobody who still has
 * a descriptor of it can undo, and then the stop is finished. A device that an operation hangs on is waited
 * for.
 */
void core_stop_now(struct core *core);
void core_tick(struct core *core);
/* Every configured device is ready or quarantined. */
bool core_converged(const struct core *core);

/* ---- clients: connected processes ---- */

struct core_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    const gid_t *groups; /* supplementary; copied */
    size_t group_count;
    uint32_t connection; /* a number that outlives homid; 0: it does not */
    const char
        *lease; /* by whose socket it came: it may have that lease, whoever it is, and no other; copied */
};

/*
 * The call that is made next, and until this is said again. serial counts the calls of a connection that
 * change something. resumed: an earlier homid saw it too; what it made of it is found by the serial and not
 * made again. begun: the archive was told so, hence what it takes away was there and may be gone already.
 */
struct core_caller {
    uint32_t connection, serial;
    bool resumed, begun;
};
void core_caller(struct core *core, const struct core_caller *caller);

int core_client_new(struct core *core, const struct core_peer *peer, void *user,
                    struct core_client **ret_client);
/* The connection ended: gives everything back, in the order that the device needs. NULL-safe. */
void core_client_gone(struct core_client *client);
void *core_client_user(const struct core_client *client);

/* Calls each(user, name) for every tenant that the client may act for. */
void core_client_tenants(struct core_client *client, void (*each)(void *user, const char *name), void *user);
/* Whether an event concerns a lease of a tenant that the client may act for. */
bool core_client_concerned(const struct core_client *client, const struct core_event *event);

enum core_attach_mode { CORE_ATTACH_ANY, CORE_ATTACH_JOIN, CORE_ATTACH_FRESH };

/* How the lease's functions are driven: queue pairs from homid, the user's own driver, the kernel's. */
enum core_lease_kind { CORE_LEASE_QUEUES, CORE_LEASE_PASSTHROUGH, CORE_LEASE_KERNEL };

struct core_attach_request {
    const char *tenant; /* NULL: the only one */
    const char *lease;  /* NULL: by mode */
    enum core_attach_mode mode;
    const char *const *devices;
    size_t device_count;
    const uint32_t *namespaces;
    bool namespaces_given; /* false: all that the tenant may have */
    size_t namespace_count;
    uint32_t queue_pairs; /* 0: as many as the VF has */
    uint32_t wait_milliseconds;
    /* The operator's only. */
    enum core_lease_kind kind;
    int64_t user; /* uid that gets the device nodes; -1: the tenant's only one */
    bool kill;    /* at the end, processes that do not let go */
    struct core_keeper keeper;
    uint32_t expires_seconds; /* 0: as the tenant's configuration says */
};

/* A VF of a lease, as a tenant sees it. */
struct core_function_grant {
    const char *name, *device;
    const struct hw_function_info *info;
    int device_fd; /* borrowed; -1 when relayed, or for the operator */
    int wake_fd;   /* borrowed; -1 unless info has a wake_offset, or it is relayed */
    bool relayed;
    struct hw_page_info page; /* when relayed and not for the operator */
    uint16_t queue_pairs, interrupts;
    const struct hw_namespace *namespaces;
    const bool *namespace_shared;
    size_t namespace_count;
    const struct hw_nodes *nodes; /* of a loan; NULL otherwise */
};

struct core_grant {
    const char *lease;
    int64_t user; /* of a loan; -1 otherwise */
    const struct core_function_grant *functions;
    size_t function_count;
};

/* Offsets in BAR 0, or in the process's page of doorbells. */
struct core_queue_grant {
    uint16_t id;
    uint32_t submission_doorbell, completion_doorbell;
    uint32_t status; /* of a copy of CSTS; 0: the register itself can be read */
    int event_fd;    /* borrowed, -1: polled */
};

struct core_queue_request {
    const char *lease, *function;
    int64_t entries, region, submission_offset, completion_offset;
    bool interrupt;
};

/* error is never NULL; code 0 on success. Exactly one callback for each call, possibly before the call
 * returns. */
typedef void (*core_done)(void *user, const struct core_error *error);
typedef void (*core_attach_done)(void *user, const struct core_error *error, const struct core_grant *grant);
typedef void (*core_region_done)(void *user, const struct core_error *error, uint32_t region, uint64_t iova);
/* queue: NULL when error says that there is none */
typedef void (*core_queue_done)(void *user, const struct core_error *error,
                                const struct core_queue_grant *queue);
/* The caller's queue pairs that are there. */
struct core_pair_name {
    const char *function;
    uint16_t id;
};
typedef void (*core_recover_done)(void *user, const struct core_error *error,
                                  const struct core_pair_name *pairs, size_t count);
typedef void (*core_data_done)(void *user, const struct core_error *error, const uint8_t *data,
                               uint32_t value);

void core_attach(struct core_client *client, const struct core_attach_request *request, core_attach_done done,
                 void *user);
void core_detach(struct core_client *client, const char *lease, core_done done, void *user);
/* memfd was checked by the caller (type, seals, population) and is borrowed; the core decides quota and IOVA.
 */
void core_register_memory(struct core_client *client, const char *lease, int memfd, uint64_t offset,
                          uint64_t bytes, uint64_t page_bytes, core_region_done done, void *user);
void core_unregister_memory(struct core_client *client, const char *lease, int64_t region, core_done done,
                            void *user);
void core_create_queue_pair(struct core_client *client, const struct core_queue_request *request,
                            core_queue_done done, void *user);
void core_delete_queue_pair(struct core_client *client, const char *lease, const char *function, int64_t id,
                            core_done done, void *user);
/*
 * Waits until every function of the lease is usable again after a reset of its device; at once when it is.
 * Memory is mapped as it was; queue pairs on a function that was reset are no more.
 */
void core_recover(struct core_client *client, const char *lease, core_recover_done done, void *user);
void core_identify(struct core_client *client, const char *lease, const char *function, int64_t cns,
                   int64_t namespace_id, core_data_done done, void *user);
void core_get_log_page(struct core_client *client, const char *lease, const char *function, int64_t page,
                       int64_t namespace_id, int64_t bytes, core_data_done done, void *user);
void core_get_feature(struct core_client *client, const char *lease, const char *function, int64_t feature,
                      core_data_done done, void *user);

/* ---- the operator ---- */

/* Reserves functions for a tenant, or lends them; grant->functions have no device_fd. */
void core_allocate(struct core *core, const struct core_attach_request *request, core_attach_done done,
                   void *user);
void core_free_lease(struct core *core, const char *lease, bool force, core_done done, void *user);
/*
 * Grants no lease from now on, and answers once none stands; then it stays so, and homid may be stopped. When
 * the time is over before that, it is LEASE_HELD by one of them, and leases are granted again. -EALREADY:
 * somebody else waits. One that is undone meanwhile is answered with -ECANCELED.
 */
void core_drain(struct core *core, int64_t wait_milliseconds, core_done done, void *user);
void core_undrain(struct core *core, core_done done, void *user);
const char *core_draining(const struct core *core); /* why no lease is granted; NULL: they are */
/* The lease's keeper has ended, and so does the lease. */
void core_keeper_ended(struct core *core, const char *lease);
/*
 * Takes a lease away after the grace; sooner when that has been asked before. Its holders are told now, and
 * then lose it; the connection of those who hold nothing else is ended, or with `kill` every holder's
 * process. pid and uid: who asks. Answered when the lease is over.
 */
struct core_revocation {
    const char *lease;
    uint32_t grace_seconds;
    bool kill;
    pid_t pid;
    uid_t uid;
};
void core_revoke_lease(struct core *core, const struct core_revocation *revocation, core_done done,
                       void *user);
void core_retry(struct core *core, const char *device, const char *function, core_done done, void *user);

/*
 * Changes a namespace of the device through its physical function; value of the answer is the id of one that
 * was created. Refused while a lease has the namespace, and while the host has one that is to be deleted, or
 * uses one that is to be formatted or taken from it.
 */
void core_change_namespace(struct core *core, const char *device, const struct hw_namespace_change *change,
                           core_data_done done, void *user);

/* ---- views ---- */

struct core_device_view {
    const struct core_device_config *config;
    const struct hw_device_info *info; /* NULL while never probed */
    const char *state, *reason;        /* state as in io.homi.Admin; reason NULL when there is none */
    unsigned functions_ready, functions_leased;
    const struct hw_verdict *verdict; /* the worst of its functions'; NULL while none was examined */
};

struct core_function_view {
    const char *name, *device, *state, *reason, *lease,
        *tenant; /* name: address, or "ssd0/vf1" before it has one */
    unsigned index;
    uint16_t controller_id;
    int iommu_group; /* -1 unknown */
    unsigned queue_pairs, queue_pairs_used, interrupts;
    const struct hw_verdict *verdict; /* NULL: it was not examined */
};

struct core_holder_view {
    pid_t pid;
    uid_t uid;
    unsigned queue_pairs, regions;
    uint64_t memory_bytes;
};

struct core_lease_view {
    const char *name, *tenant;
    const char *kind, *state; /* as in io.homi.Admin */
    const char *reason;       /* why it does not end; NULL when there is none */
    bool reserved;
    int64_t user; /* of a loan; -1 otherwise */
    struct core_keeper keeper;
    const char *const *nodes;
    size_t node_count;
    const char *const *functions;
    size_t function_count;
    const uint32_t *namespaces;
    size_t namespace_count;
    unsigned queue_pairs, queue_pairs_used;
    uint64_t memory_bytes, age_milliseconds;
    int64_t ends_in_milliseconds; /* revoked or expiring then; -1: it is not */
    const struct core_holder_view *holders;
    size_t holder_count;
};

struct core_queue_view {
    const char *function, *lease, *tenant;
    uint16_t id;
    pid_t pid;
    uint32_t entries;
    bool interrupt, counted; /* counted: by the relay */
    uint64_t commands;       /* of one that is counted: those submitted so far */
};

struct core_tenant_view {
    const struct core_tenant_config *config;
    unsigned functions, queue_pairs, connections, regions, waiting;
    uint64_t memory_bytes;
};

struct core_namespace_view {
    const char *device;
    const struct hw_namespace *info;
    const char *holder, *lease; /* tenant's name, "host", "scrub", or NULL */
    const char *scrub;          /* how far scrubbing it is; NULL: it need not be */
};

struct core_totals {
    unsigned leases, queue_pairs, connections;
    uint64_t memory_bytes;
};

void core_each_device(struct core *core, void (*each)(void *user, const struct core_device_view *view),
                      void *user);
void core_each_function(struct core *core, void (*each)(void *user, const struct core_function_view *view),
                        void *user);
void core_each_lease(struct core *core, void (*each)(void *user, const struct core_lease_view *view),
                     void *user);
void core_each_queue(struct core *core, void (*each)(void *user, const struct core_queue_view *view),
                     void *user);
void core_each_tenant(struct core *core, void (*each)(void *user, const struct core_tenant_view *view),
                      void *user);
void core_each_namespace(struct core *core, void (*each)(void *user, const struct core_namespace_view *view),
                         void *user);
struct core_totals core_totals(const struct core *core);

#endif
