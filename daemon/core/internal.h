/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the core share: its objects and how they tell each other that something moved.
 *
 * Objects are level-triggered. Whoever changes something wakes the objects concerned; each then looks at the
 * whole of its state in its *_advance() and starts what can be started. Waking only queues, so no object is
 * freed or changed under a loop of somebody else; answers and events are queued as well and leave the core
 * last, with no frame of it on the stack that could hold a pointer. So a callback may call in again.
 *
 * Ownership: core owns devices (which own functions), tenants, clients and leases. A lease owns its holders
 * (one for each process attached), a holder its queue pairs and regions. An object with a hardware operation
 * under way is never freed before that operation has ended.
 */
#ifndef HOMI_DAEMON_CORE_INTERNAL_H
#define HOMI_DAEMON_CORE_INTERNAL_H

#include <sys/queue.h>

#include "daemon/core/core.h"

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define PARTS_MAX             CORE_LEASE_DEVICES_MAX
#define PAGE_BYTES_MIN        4096u
#define LEASE_NAME_BYTES      24
#define BUSY_RETRY_MS         20u   /* the first retry of a VF that its last holder has not let go yet */
#define BUSY_GRACE_ATTEMPTS   5u    /* so many quick retries pass before it counts as quarantined */
#define FAILURES_IN_A_ROW_MAX 3u    /* of a VF that nobody holds, before it is quarantined */
#define CHECK_ROUNDS_MAX      3u    /* of taking foreign namespaces away, before the VF is given up */
#define LOOK_VALID_MS         1000u /* so long what was seen of a device's namespaces is believed */
#define PROVISION_ROUNDS_MAX  3u    /* of assigning resources that the device does not keep */
#define RECORD_NONE           UINT32_MAX
#define EXPIRY_NOTICE_MS      10000u /* so long before a lease expires its holders are told */

struct device;
struct function;
struct tenant;
struct lease;
struct holder;
struct region;
struct queue_pair;
struct call;

/* ---- work: objects that want to look at their state ---- */

struct work {
    TAILQ_ENTRY(work) link;
    bool queued;
    void (*run)(struct work *work);
};

/* ---- timers: an intrusive pairing heap ---- */

struct timer {
    uint64_t at;
    bool armed;
    struct timer *child, *next, *previous;
    void (*fire)(struct timer *timer);
};

void timer_arm(struct core *core, struct timer *timer, uint64_t at);
void timer_disarm(struct core *core, struct timer *timer);
/* Disarms and returns the first timer that is due at `now`; NULL when none is. */
struct timer *timer_due(struct core *core, uint64_t now);

/* ---- namespaces of a device ---- */

LIST_HEAD(attachment_list, attachment);

struct space {
    struct hw_namespace info;
    bool host;                     /* attached to the physical function's controller */
    struct attachment_list claims; /* all of one tenant, or all of them shared */
    /* scrub.c: */
    bool soiled;                       /* nobody gets it before it is scrubbed */
    struct function *wiper;            /* that scrubs it now */
    char scrub_error[HW_REASON_BYTES]; /* why it is not scrubbed; empty: it will be */
    unsigned attempts;
    uint32_t record; /* that it is clean */
};

/* A namespace on a function, from the moment that a lease claims it until it is known to be detached. */
struct attachment {
    LIST_ENTRY(attachment) claim;
    struct function *function;
    struct space *space;
    bool shared;              /* configured so for the tenant */
    bool attached;            /* perhaps: set before the command is sent */
    struct hw_namespace info; /* as the function sees it */
};

/* ---- functions ---- */

enum function_state {
    FS_ABSENT,
    FS_SUSPENDED, /* reset under its lease: nothing is under way on it, and it is to be provisioned again */
    /* bring-up */
    FS_STALE, /* holds resources other than those desired */
    FS_OFFLINE,
    FS_QUEUES_ASSIGNED,
    FS_PROVISIONED,
    FS_ONLINE,
    FS_BOUND,
    FS_RENEWING, /* provisioned again under its lease: its controller is brought up anew */
    FS_ADOPTING, /* an earlier homid opened it */
    /* opened, empty */
    FS_EXAMINING,  /* for what it refuses, once */
    FS_INSPECTING, /* for namespaces that it should not have */
    FS_READY,
    /* being leased */
    FS_ATTACHING,
    FS_CHECKING,
    FS_IDENTIFYING,
    FS_LEASED,
    /* scrubbing a namespace that nobody has */
    FS_SCRUB_ATTACHING,
    FS_SCRUBBING,
    FS_SCRUB_DETACHING,
    /* being lent */
    FS_PARTING, /* homid's own descriptors are closed */
    FS_LENDING,
    FS_LENT,
    /* being given back */
    FS_DRAINING,
    FS_WITHDRAWING, /* the nodes of a loan */
    FS_DETACHING,
    FS_RECLAIMING, /* a loan, from whoever still has it open */
    FS_CLOSING,
    FS_REOPENING,
    FS_EXILING,   /* taken offline, since a process keeps its descriptor */
    FS_EXPELLING, /* foreign namespaces, before FS_INSPECTING or FS_CHECKING again */
    /* being taken down */
    FS_GOING_OFFLINE,
    FS_UNBINDING,
    FS_QUARANTINED,
    FS_COUNT,
};

enum step_failure {
    STEP_QUARANTINES, /* the function stays out until somebody acts; -EBUSY is tried again */
    STEP_ENDS_GRANT,  /* the lease that wanted it is refused, and the function cleaned */
    STEP_FAULTS,      /* as if the controller had failed: close and open it again */
    STEP_WAITS,       /* somebody holds it: tried again and again; any other failure quarantines */
    STEP_CLOSES,      /* nothing came of it: whoever had the function has lost it */
    STEP_GOES_ON,     /* giving back cannot be refused: the next step follows */
};

/* What a state does, and where it leads. The life cycle is this table (function_steps). */
struct step {
    const char *shown;     /* the state's public name */
    const char *operation; /* in words, for reasons; NULL: the state waits */
    bool turn;             /* an operation of the device: one at a time */
    void (*start)(struct function *function, hw_done done);
    bool (*needed)(const struct function *function);                                        /* NULL: always */
    enum function_state (*done)(struct function *function, const struct hw_result *result); /* NULL: next */
    enum function_state next;
    enum step_failure failure;
    enum function_state (*skipped)(struct function *function); /* when not needed; NULL: next */
};

extern const struct step function_steps[FS_COUNT];

struct function {
    struct work work;
    struct device *device;
    unsigned index;
    char name[CORE_NAME_BYTES];
    char reason[HW_REASON_BYTES];
    enum function_state state;
    bool stepping; /* the operation of its state is under way */
    uint64_t step_began;
    bool queued;       /* waits for its turn at the device */
    bool free;         /* in the device's list of free functions */
    bool failed;       /* the controller does not answer any more: only closing helps */
    bool drop;         /* to be drained and closed */
    bool release;      /* its lease is over: the namespaces go too */
    bool detach_tried; /* since it was released */
    bool lost;         /* the device went from under it */
    bool rejected;     /* opened, but not to be used: quarantined for `reason` once it is closed */
    bool on_loan;      /* a user owns its device nodes, or is about to */
    bool restoring;    /* on its way back to where an earlier homid had it */
    bool suspended;    /* its controller was reset under a lease, which keeps it and its mappings */
    bool again;        /* ... and once more: it begins anew when the step under way has ended */
    bool suspect;      /* failed, unless the device says that it was taken offline: see recovery.c */
    bool exiled;       /* offline until the process that holds its descriptor lets go */
    bool secondary;    /* list-secondary knows it */
    bool bound, lent /* a process may hold its descriptor */, held /* one does */, not_viable;
    TAILQ_ENTRY(function) turn_link, free_link;
    uint16_t controller_id;
    unsigned pending; /* other operations on the handle */
    unsigned failures, busy_attempts, rounds;
    int iommu_group;
    struct hw_function *handle;
    struct hw_function_info info;
    struct hw_verdict verdict;        /* its reason is empty until it was examined */
    unsigned queue_pairs, interrupts; /* offered: what it has, bounded by the configuration */
    struct lease *lease;
    unsigned part;          /* its place in the lease */
    struct tenant *tenant;  /* whose namespaces it has */
    struct hw_nodes *nodes; /* of the loan; NULL before it is made */
    struct attachment *attachments;
    size_t attachment_count, cursor;
    uint32_t foreign;   /* the namespace to expel */
    struct space *wipe; /* the namespace to scrub; NULL: none */
    uint64_t wiped;     /* blocks of it */
    uint32_t slice;     /* blocks that are being wiped */
    struct queue_pair **pairs;
    unsigned pair_count, mapping_count;
    uint64_t vectors[HW_INTERRUPTS_MAX / 64 + 1];
    struct timer retry, doubt;
    char lease_name[LEASE_NAME_BYTES]; /* of the lease that it had, until that is restored too */
    uint32_t record;
    size_t kept; /* descriptors that are kept for the next homid; 0: none */
    int *fds;    /* `kept` of them, from an earlier homid */
    hw_done closing;
};

TAILQ_HEAD(function_list, function);

void function_init(struct function *function, struct device *device, unsigned index);
void function_fini(struct function *function);
void function_wake(struct function *function);
void function_restore(struct function *function,
                      enum function_state state); /* where an earlier homid had it */
void function_turn(struct function *function);    /* the device is free for it */
/* What list-secondary says of it (NULL: the device has no such command and the VF is what it is). */
void function_classify(struct function *function, const struct hw_secondary *secondary);
const char *lease_kind_name(enum core_lease_kind kind);
const char *function_shown(const struct function *function, enum function_state state); /* public name */
bool state_settled(enum function_state state);        /* neither coming nor going */
bool function_waits(const struct function *function); /* going, once somebody lets go of it */
bool state_provisioning(enum function_state state);
bool function_serves(const struct function *function); /* or will again, without anybody's help */
void function_quarantine(struct function *function, const char *reason);
bool function_granted(const struct function *function);             /* it is what its lease promised */
void function_fault(struct function *function, const char *reason); /* the controller failed, if it is so */
void function_fail(struct function *function, const char *reason);  /* the same, and it is */
void function_lose(struct function *function, const char *reason);  /* the device went or was reset */
void function_retry(struct function *function);                     /* out of quarantine */
/* Takes a ready function for part `part` of a lease, with `count` attachments (owned by it from now on). */
void function_grant(struct function *function, struct lease *lease, unsigned part,
                    struct attachment *attachments, size_t count);
void function_wipe(struct function *function, struct space *space); /* a ready one scrubs it */
void function_loan_over(struct function *function);                 /* nothing of it is anybody's any more */
void function_recycle(struct function *function);                   /* drain, close, open; namespaces stay */
void function_release(struct function *function);                   /* the same, and they go */
struct attachment *function_attachment(const struct function *function, uint32_t id);
bool function_has_attached(const struct function *function);
void function_attachments_free(struct function *function);

/* ---- recovery: a controller that was reset under a lease ---- */

bool function_suspends(const struct function *function); /* its lease may keep it through a reset */
void function_suspend(struct function *function, const char *reason);
/* It is open and suspended: its controller is left alone until it is provisioned again. */
void function_begin_anew(struct function *function);
/* Whether list-secondary shows that the function was reset, and nobody has said so. */
bool function_went_offline(const struct function *function, const struct hw_secondary *secondary);
bool function_quiet(const struct function *function);  /* absent, or suspended with nothing under way */
void function_forget_pairs(struct function *function); /* once it is suspended and quiet */
/* Puts off the verdict on a failure until the device has been asked whether it took the function offline. */
bool function_suspect(struct function *function, const char *reason);
void function_judge(struct function *function); /* the device says nothing of a reset */
void function_trust(struct function *function); /* there is nothing to judge any more */
void doubt_fire(struct timer *timer);
/* Answers those who wait for the lease's functions to be usable again, if they are. */
void lease_tell_recovered(struct lease *lease);

/* ---- devices ---- */

enum device_phase {
    DP_ABSENT,
    DP_CLEARING, /* waits until what was on it before it went or was reset is closed */
    DP_PROBING,
    DP_LISTING,
    DP_RELEASING, /* resources of secondary controllers that are not offered */
    DP_ASSIGNING,
    DP_COUNTING,
    DP_BRINGING,
    DP_READY,
    DP_QUARANTINED,
    DP_STOPPED,
};

/* What an operator wants done to a namespace; the device does one at a time. */
struct change {
    struct call *call; /* NULL: nothing is wanted */
    struct hw_namespace_change wanted;
    bool under_way, done /* and answered once the device was looked at again */;
};

struct device {
    const char *name; /* first member: see named_compare */
    struct work work;
    struct core *core;
    size_t index;
    const struct core_device_config *config;
    struct hw_device *handle;
    enum device_phase phase;
    const char *told; /* the state that was told last */
    bool present, probed, busy;
    bool brought_up;       /* it was ready or in quarantine since homid started */
    bool refresh, looking; /* a look at its namespaces is wanted, is under way */
    bool fresh;            /* nothing was given to its functions since it was reset */
    bool judging;          /* a function is suspect: its secondary controller is to be looked at */
    uint64_t looked_at;
    struct timer again;     /* while somebody else is at work on it */
    bool disturbed;         /* somebody else was, since it was ready last */
    unsigned taken_offline; /* so many of its functions, when there is no time for more */
    struct change change;
    char look_error[HW_REASON_BYTES]; /* why the last look failed; empty: it did not */
    bool claimed;                     /* by a waiter earlier in the queue */
    unsigned waiting;                 /* requests in the queue that it may serve */
    char reason[HW_REASON_BYTES];
    struct hw_device_info info;
    uint16_t queues, interrupts; /* VQ and VI resources for each function */
    unsigned rounds, extra_count;
    uint16_t *extras;
    struct function *functions;  /* config->functions of them */
    unsigned in_state[FS_COUNT]; /* how many of these are in each state */
    unsigned leased;             /* how many are parts of a lease */
    struct function_list turns, free;
    struct space *spaces[HW_NAMESPACES_MAX];
    unsigned space_count;
};

int device_init(struct device *device, struct core *core, size_t index);
void device_fini(struct device *device);
void device_wake(struct device *device);
void device_turn_over(struct device *device); /* the operation that a function had the turn for has ended */
void device_reconcile(struct device *device);
void device_stopped(struct device *device);
void device_stop_done(void *user, const struct hw_result *result); /* its VFs are taken down */
void device_retry_undetached(struct device *device);
void device_again(struct timer *timer);   /* its own */
void device_hurry(struct device *device); /* stops it at once; its turn must be free */
void device_set_aside(struct device *device, const char *reason);
/* Decides what each VF gets; false: it cannot be had, and why (HW_REASON_BYTES). */
bool device_plan(struct device *device, char *reason);
void device_stuck(struct device *device, const char *reason); /* an operation hangs in the kernel */
/* Whether what is known of its namespaces is recent; if not, a look is started and waiters are served after
 * it. */
bool device_look(struct device *device);
const char *device_state(const struct device *device);
const char *device_reason(const struct device *device);
bool device_settled(const struct device *device);
struct space *device_space(const struct device *device, uint32_t id);
bool device_may_look(const struct device *device);
/* Goes on with what is wanted of a namespace. Only while the device is not busy. */
void change_advance(struct device *device);
/* Whether the namespace is being changed, so that nobody may be given it. */
bool change_concerns(const struct device *device, uint32_t id);
bool device_open_for_online(const struct device *device);

/* ---- examining ---- */

bool examine_needed(const struct function *function);
void examine_start(struct function *function, hw_done done);
enum function_state examine_done(struct function *function, const struct hw_result *result);

/* ---- scrubbing ---- */

bool scrub_wanted(const struct device *device, uint32_t id); /* by the configuration */
void scrub_reconfigured(struct device *device);              /* the configuration is another one */
void scrub_soil(struct device *device, struct space *space);
void scrub_advance(struct device *device);                                    /* starts what can be started */
bool scrub_retry(struct device *device);                                      /* whether any had failed */
void scrub_describe(const struct space *space, char *ret_text, size_t bytes); /* of a soiled one */
void scrub_let_go(struct function *function);
bool scrub_attaches(const struct function *function);
void scrub_attach(struct function *function, hw_done done);
void scrub_wipe(struct function *function, hw_done done);
enum function_state scrub_wiped(struct function *function, const struct hw_result *result);
void scrub_detach(struct function *function, hw_done done);
enum function_state scrub_detached(struct function *function, const struct hw_result *result);
enum function_state scrub_done(struct function *function);

/* ---- tenants, clients ---- */

struct tenant {
    const char *name; /* first member: see named_compare */
    const struct core_tenant_config *config;
    TAILQ_HEAD(, lease) leases;
    unsigned functions, queue_pairs, connections, regions, waiting;
    uint64_t memory_bytes;
    /* Queue pairs that it may create now, in thousandths, as of when they were counted last. */
    uint64_t creations, creations_at;
    /* Of one that was taken out of the configuration: it may have nothing more. */
    struct core_tenant_config removed;
    char removed_name[CORE_NAME_BYTES];
};

struct id_rule {
    uint32_t id;
    struct tenant *tenant;
};

/* What the configuration says of tenants, looked up by name and by id. */
struct policy {
    struct tenant **tenants; /* configured ones, then those that are no more but still hold something */
    size_t count, configured;
    void *by_name; /* tsearch(3), of configured ones */
    struct id_rule *users, *groups;
    size_t user_count, group_count;
};

struct core_client {
    struct core *core;
    LIST_ENTRY(core_client) link;
    void *user;
    pid_t pid;
    uid_t uid;
    uint32_t connection;
    struct core_peer peer; /* its groups are the client's */
    gid_t *groups;
    char lease[LEASE_NAME_BYTES]; /* by whose socket it came; empty: by the tenants' */
    struct tenant **tenants;      /* that it may act for */
    size_t tenant_count;
    bool expelled, kill; /* the listener is to be told so */
    TAILQ_HEAD(, holder) holders;
    LIST_HEAD(, call) calls;
    TAILQ_HEAD(, waiter) waiters;
};

void client_free(struct core_client *client);
/* One that came by a lease's socket learns whose that is, once the lease is there. */
void client_find_lease(struct core_client *client);

int policy_init(struct core *core);
void policy_fini(struct core *core);
int policy_tenants(const struct policy *policy, const struct core_peer *peer, struct tenant ***ret_tenants,
                   size_t *ret_count);
/* The policy of another configuration, in which tenants that are known already are the same objects. */
int policy_build(struct core *core, const struct core_config *config, struct policy *ret_policy);
void policy_clear(struct core *core, struct policy *policy); /* and the tenants that only it has */
bool policy_acts_for(const struct core_client *client, const struct tenant *tenant);
/* The tenant meant by name (NULL: the only one). 0 or a refusal in *error. */
struct tenant *policy_resolve(struct core_client *client, const char *name, struct core_error *error);
bool policy_device_allowed(const struct tenant *tenant, const struct device *device);
const struct core_namespace_config *policy_namespace(const struct tenant *tenant, const struct device *device,
                                                     uint32_t id);

/* Whether `more` of it would be over the tenant's quota; fills *error then. */
bool quota_exceeded(const struct tenant *tenant, enum core_quota quota, uint64_t more,
                    struct core_error *error);
/* Counts one creation of a queue pair; true, and not counted: the tenant creates them too fast. */
bool quota_too_fast(struct tenant *tenant, uint64_t now, struct core_error *error);
void quota_connection_added(struct core_client *client, struct tenant *tenant);   /* before it is linked */
void quota_connection_removed(struct core_client *client, struct tenant *tenant); /* after it was unlinked */
bool quota_client_counted(const struct core_client *client, const struct tenant *tenant);

/* ---- calls and events on their way out ---- */

enum call_kind { CALL_PLAIN, CALL_ATTACH, CALL_REGION, CALL_QUEUE, CALL_DATA, CALL_RECOVER };

/* A call of a client (or of the operator: client NULL) that is owed an answer. */
struct call {
    STAILQ_ENTRY(call) post; /* on its way out, or among those that wait for the same lease */
    LIST_ENTRY(call) link;   /* of its client */
    LIST_ENTRY(call) owed;   /* of the core */
    struct core *core;
    struct core_client *client;
    enum call_kind kind;
    bool dropped; /* its client is gone */
    bool event;   /* not a call but something to tell the listener */
    void *user;
    union {
        core_done plain;
        core_attach_done attach;
        core_region_done region;
        core_queue_done queue;
        core_data_done data;
        core_recover_done recover;
    } done;
    struct core_caller caller;
    struct core_error error;
    struct function *function; /* of an admin command under way */
    union {
        char lease[LEASE_NAME_BYTES]; /* attach, recover */
        struct {
            uint32_t id;
            uint64_t iova;
        } region;
        struct core_queue_grant queue;
        struct {
            uint8_t *bytes;
            uint32_t value;
        } data;
    } result;
};

struct call *call_new(struct core *core, struct core_client *client, enum call_kind kind, void *user);
void call_finish(struct call *call); /* answers with call->error and call->result */
void call_refuse(struct call *call, const struct core_error *error);
void call_drop(struct call *call); /* the client is gone: it will not be answered */
void call_free(struct call *call);
/* For calls that could not even be allocated. */
extern const struct core_error error_no_memory;

struct core_error error_refusal(int code, const char *name);
struct core_error error_errno(int code, const char *text);
/* What a failed operation means for the one who asked: the controller's refusal, or the machine's failure. */
struct core_error error_result(const struct hw_result *result, const char *operation);
void copy_text(char *destination, size_t size, const char *source); /* truncates; NULL: empty */

void event_tell(struct core *core, const struct core_event *event);
void event_function(struct function *function, enum core_event_kind kind, const char *text);
void event_holder(struct holder *holder, struct function *function, enum core_event_kind kind,
                  const char *text);
void posts_deliver(struct core *core);
void calls_free(struct core *core); /* all that are owed, unanswered */

/* ---- leases ---- */

enum lease_state {
    LEASE_GRANTING,
    LEASE_ACTIVE,
    LEASE_CYCLING, /* a reservation whose last process left: its functions are being cleaned */
    LEASE_ENDING,
};

struct lease {
    const char *name; /* first member: see named_compare */
    struct work work;
    char name_buffer[LEASE_NAME_BYTES];
    struct core *core;
    struct tenant *tenant;
    TAILQ_ENTRY(lease) link, tenant_link;
    enum lease_state state;
    enum core_lease_kind kind;
    uint32_t user; /* of a loan */
    bool kill;     /* those who do not let go of it */
    struct core_keeper keeper;
    bool kept; /* the listener watches the keeper */
    bool reserved, used /* a process has held it since its functions were clean */;
    unsigned part_count;
    struct function *parts[PARTS_MAX]; /* NULL once given back */
    uint32_t queue_pairs;              /* on each function; 0: as many as it has */
    uint64_t since;
    TAILQ_HEAD(, holder) holders;
    struct core_caller maker;
    uint32_t record;
    struct call *allocating;
    STAILQ_HEAD(, call) freeing; /* answered when it is over */
    uint64_t ends_at;            /* revoked or expiring then; UINT64_MAX: it is not */
    bool revoking;               /* its holders were told */
    char ending_reason[HW_REASON_BYTES];
    struct timer ending;
    void *regions; /* tsearch(3) by id */
    uint32_t region_id;
    LIST_HEAD(, region) mapped; /* by IOVA */
};

/* A process's part of a lease. */
struct holder {
    struct work work;
    struct core *core;
    struct core_client *client; /* NULL: gone */
    struct lease *lease;        /* NULL: revoked and reclaimed; only the name is left to answer with */
    struct tenant *tenant;
    char lease_name[LEASE_NAME_BYTES];
    TAILQ_ENTRY(holder) lease_link, client_link;
    STAILQ_HEAD(, call) attaching;  /* answered once the lease is active */
    STAILQ_HEAD(, call) recovering; /* answered once its functions are usable again */
    struct call *detaching;
    uint32_t record, serial;
    bool granted, ending;
    char *revoked; /* why; NULL: it was not */
    LIST_HEAD(, queue_pair) pairs;
    LIST_HEAD(, region) regions;
    unsigned pair_count, region_count;
    uint64_t memory_bytes;
    struct hw_page *pages[PARTS_MAX]; /* its doorbells on each part; NULL: direct, or the part is closed */
    size_t kept;                      /* pages that are kept for the next homid; 0: none */
    int *fds; /* `kept` of them, from an earlier homid; -1 once their function was adopted */
};

struct lease *lease_find(struct core *core, const char *name);
/* The bare objects, without a call or a record. */
struct lease *lease_make(struct core *core, struct tenant *tenant, const char *name);
struct holder *holder_make(struct lease *lease, struct core_client *client);
struct holder *holder_remember(struct core_client *client, struct tenant *tenant, const char *lease);
struct region *region_make(struct holder *holder, uint32_t id, uint64_t bytes, uint64_t iova);
struct queue_pair *queue_pair_make(struct holder *holder, struct function *function, struct region *region,
                                   uint16_t id, uint16_t vector);
/* A lease without parts yet: lease_take() gives it ready functions. */
int lease_new(struct tenant *tenant, uint32_t queue_pairs, const struct call *call, struct lease **ret_lease);
void lease_take(struct lease *lease, struct function *function, struct attachment *attachments, size_t count);
void lease_free(struct lease *lease);
void lease_wake(struct lease *lease);
unsigned lease_queue_pairs(const struct lease *lease, const struct function *function);
void lease_part_failed(struct function *function, const struct core_error *error);
void lease_part_closed(struct function *function);
void lease_revoke_holders(struct lease *lease, const char *reason);
/* Its holders lose it. A reservation stands on, with its functions cleaned, when `stands`. */
void lease_revoke(struct lease *lease, struct function *function, const char *reason, bool stands);
void lease_end(struct lease *lease, const char *reason);
/* The same for a call that an earlier homid made the client a holder for. false: it did not come to that. */
bool lease_rejoin(struct core_client *client, struct call *call);
void lease_revoke_in(struct lease *lease, const struct core_revocation *revocation);
void lease_ending_fire(struct timer *timer);
/* Arms the timer for that, or for the notice before it. */
void lease_ends_at(struct lease *lease, uint64_t at);
/* From its grant on. seconds: asked for; 0: as the tenant's configuration says. */
void lease_set_expiry(struct lease *lease, uint32_t seconds);
void clients_expel(struct core *core); /* tells the listener which clients have to go */
/* Answers the call once the lease is active; makes the client a holder of it, unless it is one. */
void lease_join(struct lease *lease, struct core_client *client, struct call *call);

void holder_wake(struct holder *holder);
void holder_end(struct holder *holder);                      /* gives back what it holds, then frees it */
void holder_lose(struct holder *holder, const char *reason); /* the same; it is told why */
void holder_free(struct holder *holder);
/* The client's holder of a live lease; otherwise NULL and the refusal. */
struct holder *holder_find(struct core_client *client, const char *lease, struct core_error *error);
struct function *holder_function(struct holder *holder, const char *name, struct core_error *error);

/* ---- pages of doorbells ---- */

/* Whether as many processes have one for the function of the lease as it has queue pairs. */
bool pages_full(const struct lease *lease, const struct function *function);
/* One for each function of the lease, if the holder is relayed. false: a refusal, and there are none. */
bool pages_make(struct holder *holder, struct core_error *error);
void pages_free(struct holder *holder);
/* Takes those that an earlier homid kept with record `number`: holder->fds, unless they are not all there. */
void pages_restore(struct holder *holder, uint32_t number, size_t count);
/* The function, which is a lease's, was adopted: so are the pages and queue pairs on it. */
void pages_adopt(struct function *function);

void drain_look(struct core *core); /* a lease is gone */

/* ---- attach: deciding, and waiting ---- */

struct waiter {
    struct core *core;
    TAILQ_ENTRY(waiter) link, client_link;
    struct call *call;
    struct core_client *client;
    struct tenant *tenant;
    bool reserved, namespaces_given, queued, kill;
    enum core_lease_kind kind;
    uint32_t user;
    struct core_keeper keeper;
    struct device *devices[PARTS_MAX];
    size_t device_count; /* 0: any that the tenant may use */
    uint32_t namespaces[CORE_LEASE_NAMESPACES_MAX];
    size_t namespace_count;
    uint32_t queue_pairs;
    uint32_t wait_milliseconds, expires_seconds;
    struct timer timer;
};

/* VERDICT_LOOK: decided as soon as the device has been looked at, which does not count as waiting. */
enum verdict { VERDICT_GRANT, VERDICT_LOOK, VERDICT_WAIT, VERDICT_REFUSE };

/* Whether the request can be granted now; on VERDICT_GRANT the lease has been begun, and owes the answer. */
enum verdict grant_try(struct waiter *request, struct core_error *error);
size_t request_device_count(const struct waiter *request);
struct device *request_device(const struct waiter *request, size_t index);
/* Checks the request against policy, and takes it over into *request. false: refused. */
bool request_read(struct core *core, struct tenant *tenant, const struct core_attach_request *from,
                  struct waiter *request, struct core_error *error);
/* Grants, queues, or refuses; owns the request and answers its call. */
void wait_or_grant(struct waiter *request);
void waiter_drop(struct waiter *waiter);
void waiters_count(struct core *core, int by); /* all of them, for devices and tenants */
void waiters_check(struct core *core);         /* refuses those that the policy no longer allows */
void waiters_serve(struct core *core);
void waiters_refuse(struct core *core, const char *reason);

/* ---- memory and queues ---- */

struct mapping {
    struct region *region;
    unsigned part;
};

struct region {
    uint32_t id; /* first member: see region_compare */
    struct holder *holder;
    LIST_ENTRY(region) holder_link, iova_link;
    uint64_t iova, bytes;
    unsigned mapped, busy; /* bit masks of the lease's parts */
    uint32_t record, serial;
    bool live, dying;
    bool undo; /* an earlier homid was mapping or unmapping it */
    struct core_error error;
    struct call *call;
    LIST_HEAD(, queue_pair) pairs;
    unsigned pair_count;
    struct mapping mappings[];
};

/* A gap of `bytes` in the ranges that all functions of the lease can use; 0 or -ENOSPC. */
int iova_find(const struct lease *lease, uint64_t bytes, uint64_t alignment, uint64_t *ret_iova);
void iova_insert(struct lease *lease, struct region *region);

struct region *region_find(const struct lease *lease, int64_t id);
/* Starts unmapping what can be unmapped; frees the region when nothing is left of it. */
void region_reclaim(struct region *region);
void region_discard(struct region *region);
void region_forget_part(struct region *region, unsigned part); /* the function was closed */

struct queue_pair {
    LIST_ENTRY(queue_pair) holder_link, region_link;
    struct holder *holder;
    struct function *function;
    struct region *region;
    uint16_t id, vector;
    uint32_t entries;
    uint64_t submission_offset, completion_offset;
    uint32_t record, serial;
    bool live, deleting;
    bool undo; /* an earlier homid was creating or deleting it */
    struct call *call;
};

void queue_pair_reclaim(struct queue_pair *pair); /* starts deleting it, unless that is under way */
void queue_pair_free(struct queue_pair *pair);    /* it is no more: deleted, or its controller closed */

/* ---- record.c: each writes its object's record down, if anything outlives homid ---- */

int record_region_new(struct region *region);
int record_queue_pair_new(struct queue_pair *pair);
int record_holder_new(struct holder *holder);
void record_region(const struct region *region);
void record_queue_pair(const struct queue_pair *pair);
void record_holder(const struct holder *holder);
void record_lease(struct lease *lease);
void record_function(struct function *function);
void record_clean_space(const struct device *device, struct space *space);
void record_remove(struct core *core, uint32_t *number);
void record_function_opened(struct function *function); /* its descriptors are kept from now on */
/* Closes it once nobody else keeps it open. */
void record_function_close(struct function *function, hw_done done);

/* The call that is being made takes something away: recorded before that is. */
void caller_begins(struct core *core);

/* ---- the core ---- */

TAILQ_HEAD(work_list, work);

struct core {
    const struct core_config *config;
    struct hw_backend *backend;
    struct core_listener listener;
    unsigned depth;
    bool delivering, changed, stopping, expelling;
    struct work_list work;
    STAILQ_HEAD(, call) posts;
    LIST_HEAD(, call) calls; /* every one that is owed an answer */
    struct timer *timers;
    uint64_t timer_told;
    struct device *devices;
    void *devices_by_name; /* tsearch(3) */
    struct policy policy;
    LIST_HEAD(, core_client) clients;
    TAILQ_HEAD(, lease) leases;
    void *leases_by_name;
    unsigned lease_count, lease_number, queue_pair_count, connection_count;
    uint64_t memory_bytes;
    TAILQ_HEAD(, waiter) waiters;
    struct work serve;
    void (*stopped)(void *user);
    void *stopped_user;
    struct work stop;
    struct core_caller caller;
    const char *aside; /* why no device is touched; NULL: they are */
    bool restoring;
    bool hurrying; /* it is stopping, and there is no time left */
    bool draining;
    struct call *drain; /* that waits for the last lease; NULL: nobody does */
    struct timer drain_timer;
    bool started, settled /* the backend knows that nothing is adopted any more */;
    unsigned undo_count;
};

/* Every way into the core lies between these: the last one out does the work and delivers. */
void core_enter(struct core *core);
void core_leave(struct core *core);
void work_wake(struct core *core, struct work *work);
void work_cancel(struct core *core, struct work *work);
uint64_t core_now(const struct core *core);
uint64_t retry_milliseconds(const struct core *core); /* between tries of what may mend itself */
int named_compare(const void *a, const void *b); /* of objects whose first member is `const char *name` */
void *named_find(void *const *root, const char *name);
void core_serve(struct core *core); /* somebody who waits may be served now */

#endif
