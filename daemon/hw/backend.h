/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The only door to hardware. Behind it stand the Linux backend (sysfs, libnvme, VFIO) and the software SSD.
 *
 * Every operation is asynchronous: it is started here, works elsewhere (a helper process, the controller),
 * and calls `done` exactly once from the event loop, never from within the call that started it. Each has a
 * deadline of its own; when that passes it ends with -ETIMEDOUT, and whatever is stuck in the kernel is left
 * behind and reported. At most one device operation at a time per device and, for functions, as many as the
 * admin queue holds; map and unmap of one function are carried out in the order of the calls.
 *
 * Ownership: devices and functions belong to the backend; a handle is valid from its result until closed.
 * Results are valid only during the callback. fds passed in are borrowed for the call (the backend dups); fds
 * handed out are borrowed. Threads: everything runs on the event loop's thread.
 */
#ifndef HOMI_DAEMON_HW_BACKEND_H
#define HOMI_DAEMON_HW_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HW_ADDRESS_BYTES   16 /* "0000:01:00.1", its NUL included */
#define HW_REASON_BYTES    160
#define HW_FUNCTIONS_MAX   256 /* VFs per device */
#define HW_NAMESPACES_MAX  64  /* namespaces per device that homid looks at */
#define HW_IOVA_RANGES_MAX 16
#define HW_INTERRUPTS_MAX  128 /* vectors per VF, the admin queue's included */
#define HW_DATA_BYTES      4096
#define HW_KEPT_FDS_MAX    (10 + HW_INTERRUPTS_MAX) /* descriptors that keep an opened VF as it is */
#define HW_NODES_MAX       64                       /* device nodes of a VF that is on loan */
#define HW_NODE_BYTES      48
#define HW_RELAY_CORES_MAX 16

struct hw_backend;
struct hw_device;
struct hw_function;
struct hw_page;

/* Which SSD the configuration means: by serial or by PCI address (NULL: either does not matter). */
struct hw_device_selector {
    const char *name; /* for messages */
    const char *serial;
    const char *address;
};

/* Flexible resources of one kind (NVMe Base 2.0, section 5.17.2.16, Primary Controller Capabilities). */
struct hw_resources {
    uint16_t total;        /* VQFRT / VIFRT */
    uint16_t per_function; /* VQFRSM / VIFRSM */
    uint16_t granularity;  /* VQGRAN / VIGRAN, at least 1 */
};

struct hw_namespace {
    uint32_t id;
    uint32_t block_bytes;
    uint64_t blocks;
    bool shareable;          /* NMIC bit 0 */
    uint16_t controllers[8]; /* attached to these controllers, the first of them; valid as far as known */
    unsigned controller_count;
};

struct hw_device_info {
    char address[HW_ADDRESS_BYTES];
    char serial[21], model[41], firmware[9];
    char controller[32]; /* the kernel's name of it: "nvme0" */
    uint16_t controller_id;
    uint16_t functions_total; /* TotalVFs of the SR-IOV capability */
    uint16_t functions_enabled;
    bool virtualization_management; /* OACS bit 7, or flexible resources; without it VFs have fixed resources
                                       and are always online */
    bool namespace_management;      /* OACS bit 3: namespaces can be attached */
    struct hw_resources queues, interrupts;
    unsigned namespace_count;
    struct hw_namespace namespaces[HW_NAMESPACES_MAX];
};

/* One secondary controller (section 5.17.2.17). */
struct hw_secondary {
    uint16_t controller_id;
    uint16_t function; /* VFN, 1-based; 0 when the VF is not there */
    uint16_t queues, interrupts;
    bool online;
};

/* A VF as PCI and the IOMMU see it. */
struct hw_function_place {
    char address[HW_ADDRESS_BYTES];
    int iommu_group;
    bool viable; /* no other device in its group */
};

struct hw_iova_range {
    uint64_t first, last; /* inclusive */
};

/* A VF that was opened: its controller is enabled and its admin queue answers. */
struct hw_function_info {
    uint16_t controller_id;
    uint16_t queue_pairs; /* I/O queue pairs that the controller granted */
    uint16_t interrupts;  /* vectors beyond the admin queue's: 1 .. interrupts may be given to I/O completion
                             queues */
    uint32_t queue_entries_max; /* CAP.MQES + 1 */
    uint32_t doorbell_stride;   /* bytes: 4 << CAP.DSTRD */
    uint32_t page_bytes;
    uint32_t max_transfer_bytes; /* MDTS; UINT32_MAX rounded down to pages when unlimited */
    uint16_t optional_commands;  /* ONCS */
    bool volatile_write_cache;
    uint64_t bar_offset, bar_bytes; /* BAR 0 in the VFIO device fd */
    /* In BAR 0, a 32-bit word that is not 0 while whoever reads the doorbells sleeps; 0: nobody does. */
    uint64_t wake_offset;
    unsigned iova_range_count;
    struct hw_iova_range iova_ranges[HW_IOVA_RANGES_MAX]; /* free for tenants' memory */
};

/*
 * A VF on loan to software that knows nothing of homid: it drives the VF through vfio-pci itself, or through
 * the kernel's nvme driver. Either way the user owns the device nodes for as long, and homid has none of it
 * open.
 */
enum hw_loan_kind { HW_LOAN_VFIO, HW_LOAN_KERNEL };
struct hw_loan {
    enum hw_loan_kind kind;
    uint32_t user;              /* a uid */
    bool kill;                  /* at its end, processes of the user that do not let go */
    const uint32_t *namespaces; /* that the VF has */
    unsigned namespace_count;
};
struct hw_nodes {
    unsigned count;
    char paths[HW_NODES_MAX][HW_NODE_BYTES]; /* "/dev/vfio/12"; "/dev/nvme1n2", "/dev/ng1n2" */
};

/* What direct delegation of a function would mean on this device, and why: see daemon/hw/verdict.h. */
enum hw_confinement {
    HW_CONFINEMENT_UNKNOWN, /* it cannot be told: as HW_TRUSTED_ONLY */
    HW_TRUSTED_ONLY,        /* its holder can harm others */
    HW_CONFINED,            /* the device refuses what concerns others */
};

struct hw_verdict {
    enum hw_confinement confinement;
    char reason[HW_REASON_BYTES]; /* empty: it was not examined */
};

/* How an operation ended. error: 0, or a negative errno (-EIO with nvme_status when the controller refused).
 */
struct hw_result {
    int error;
    uint16_t nvme_status;         /* status field without phase: SCT and SC */
    char reason[HW_REASON_BYTES]; /* in words, when error is not 0 */
    union {
        const struct hw_device_info *device_info;
        struct {
            const struct hw_secondary *list;
            unsigned count;
        } secondaries;
        const struct hw_function_place *place;
        struct {
            struct hw_function *handle;
            const struct hw_function_info *info;
        } function;
        const struct hw_namespace *namespace_info;
        const struct hw_nodes *nodes;
        const uint8_t *data; /* HW_DATA_BYTES */
        uint32_t value;      /* DW0 of the completion */
        const struct hw_verdict *verdict;
    };
};

typedef void (*hw_done)(void *user, const struct hw_result *result);

/* What happens unasked. */
enum hw_event {
    HW_DEVICE_GONE,     /* the PF disappeared */
    HW_DEVICE_RESET,    /* the PF was reset or its VFs were disabled behind our back */
    HW_DEVICE_BACK,     /* a device of the configuration appeared */
    HW_FUNCTION_FAILED, /* CSTS.CFS, all-ones registers, or an admin queue that makes no sense */
    HW_FUNCTION_WANTED, /* VFIO asks for the function back (device request) */
    HW_FUNCTION_NOTICE, /* an asynchronous event, for the log */
    HW_NAMESPACE_CHANGED,
};

/* user: what device_new resp. open was given for the device or function concerned. */
struct hw_listener {
    void (*device_event)(void *user, struct hw_device *device, enum hw_event event, const char *text);
    void (*function_event)(void *user, struct hw_function *function, enum hw_event event, const char *text);
    /* A relayed queue pair is not forwarded any more for what its owner wrote; it is to be deleted. */
    void (*queue_ended)(void *user, struct hw_function *function, uint16_t id, const char *reason);
};

/* The process that forwards relayed doorbells. */
struct hw_relay_config {
    const char *program;                /* started as `homid --relay` where nobody listens */
    const char *path;                   /* of its socket */
    uint16_t cores[HW_RELAY_CORES_MAX]; /* one thread on each */
    unsigned core_count;                /* 0: one thread, anywhere */
    void (*told)(void *user, bool well, const char *text); /* for the log */
    void *user;
};

/* The doorbells of a relayed process: daemon/hw/doorbells.h. Descriptors are borrowed. */
struct hw_page_info {
    int fd; /* of `bytes` bytes, to be mapped and written */
    int wake_fd;
    uint64_t bytes, wake_offset;
};
/*
 * Where a queue pair's doorbells are in it, and a copy of CSTS that homid keeps. commands: those that its
 * owner rang for since the queue pair exists, as far as they were forwarded.
 */
struct hw_page_queue {
    uint32_t submission, completion, status;
    uint64_t commands;
};

/* What may be done to a namespace through the physical function. */
enum hw_namespace_act {
    HW_NAMESPACE_CREATE,
    HW_NAMESPACE_DELETE,
    HW_NAMESPACE_FORMAT,
    HW_NAMESPACE_ATTACH, /* to the host: the physical function's controller */
    HW_NAMESPACE_DETACH,
};

#define HW_FORMAT_MILLISECONDS 300000 /* the longest that formatting may take */

struct hw_namespace_change {
    enum hw_namespace_act act;
    uint32_t id;          /* not of one to be created */
    uint32_t block_bytes; /* create, format; 0: the smallest, or as it is */
    uint64_t bytes;       /* create */
    bool shareable;       /* create */
};

enum hw_resource_kind { HW_QUEUES, HW_INTERRUPTS };

struct hw_queue_pair {
    uint16_t id;      /* 1 .. queue_pairs */
    uint32_t entries; /* of both queues */
    uint64_t submission_iova, completion_iova;
    uint16_t vector;      /* 0: polled */
    struct hw_page *page; /* whose doorbells are forwarded to it; NULL: direct */
};

struct hw_backend {
    const char *name;

    /* -- devices -- */
    /* A handle for an SSD of the configuration; no I/O. user goes to the listener's device events. */
    int (*device_new)(struct hw_backend *backend, const struct hw_device_selector *selector, void *user,
                      struct hw_device **ret_device);
    void (*device_free)(
        struct hw_device *device); /* NULL-safe; operations under way end without a callback */

    /* -> device_info; -ENODEV: absent; -EBUSY: a process that an earlier homid left behind works on it. */
    void (*probe)(struct hw_device *device, hw_done done, void *user);
    void (*list_secondaries)(struct hw_device *device, hw_done done, void *user); /* -> secondaries */
    /* Turns sriov_drivers_autoprobe off, then writes sriov_numvfs (0 first when it must change). */
    void (*set_function_count)(struct hw_device *device, unsigned count, hw_done done, void *user);
    /* Virtualization Management: assign (action 8), offline (7), online (9). */
    void (*assign)(struct hw_device *device, uint16_t controller_id, enum hw_resource_kind kind,
                   uint16_t count, hw_done done, void *user);
    void (*set_online)(struct hw_device *device, uint16_t controller_id, bool online, hw_done done,
                       void *user);
    /* Binds VF `index` (0-based) to the driver that hands it out (vfio-pci) -> place. unbind undoes it. */
    void (*bind)(struct hw_device *device, unsigned index, hw_done done, void *user);
    void (*unbind)(struct hw_device *device, unsigned index, hw_done done, void *user);
    /* Gives VF `index`, bound and not open, to a user -> nodes. */
    void (*lend)(struct hw_device *device, unsigned index, const struct hw_loan *loan, hw_done done,
                 void *user);
    /*
     * Takes the nodes away and, from the kernel's driver, the VF: -EBUSY, with who has it open in the reason,
     * as long as somebody has. A process that drives the VF itself keeps it until reclaim.
     */
    void (*withdraw)(struct hw_device *device, unsigned index, const struct hw_loan *loan, hw_done done,
                     void *user);
    /* Whether nobody has the VF open any more; -EBUSY and who it is otherwise. */
    void (*reclaim)(struct hw_device *device, unsigned index, const struct hw_loan *loan, hw_done done,
                    void *user);
    void (*attach_namespace)(struct hw_device *device, uint32_t id, uint16_t controller_id, bool attach,
                             hw_done done, void *user); /* attached / detached already counts as done */

    /* -> value: the id of one that was created. -EBUSY: the host uses it (a file system, a volume). */
    void (*change_namespace)(struct hw_device *device, const struct hw_namespace_change *change, hw_done done,
                             void *user);

    /* -- functions -- */
    /*
     * Opens VF `index`: VFIO, interrupts, admin queue, reset and enable, Identify, Number of Queues ->
     * function. listener_user goes to the listener's function events. -EBUSY: somebody still holds it from
     * before, whether it is online or not.
     */
    void (*open)(struct hw_device *device, unsigned index, void *listener_user, hw_done done, void *user);
    /* The descriptors that keep the function as it is when homid ends, in the order that adopt wants them:
     * all of them, borrowed. */
    size_t (*kept_fds)(struct hw_function *function, int fds[HW_KEPT_FDS_MAX]);
    /*
     * Takes over a VF that an earlier homid opened -> function, as open does. The controller is not reset:
     * queues and mappings stay, and commands in flight have ended when done is called. One that has failed
     * meanwhile is adopted all the same, and told of afterwards. fds are taken in any case; -EPROTO: they are
     * not what kept_fds gave. reset: its controller is known to have been reset, so nothing is waited for,
     * and the function is suspended.
     */
    void (*adopt)(struct hw_device *device, const int *fds, size_t fd_count, bool reset, void *listener_user,
                  hw_done done, void *user);
    /* Closes descriptors of a VF that cannot be adopted, taking them; the last close of a VF may block. */
    void (*discard)(struct hw_backend *backend, const int *fds, size_t fd_count, hw_done done, void *user);
    /* Before anything else: what an earlier homid asked for and did not get yet is not done any more. */
    void (*take_over)(struct hw_backend *backend, hw_done done, void *user);
    /*
     * The controller was reset behind our back: commands under way end with an error, soon, nothing is sent
     * to it, and its queue pairs are no more; the relay lets go of it. What is mapped stays, and so do pages
     * of doorbells. Then renew resets the function, which is provisioned again, and brings its controller up
     * anew, without a queue pair -> function, with the same handle and descriptors. When that fails only
     * close helps.
     */
    void (*suspend)(struct hw_function *function, const char *reason);
    void (*renew)(struct hw_function *function, hw_done done, void *user);
    /* Shuts the controller down and drops every descriptor of it; the handle is gone when done is called. */
    void (*close)(struct hw_function *function, hw_done done, void *user);
    int (*device_fd)(struct hw_function *function);                 /* borrowed; for direct delegation */
    int (*event_fd)(struct hw_function *function, uint16_t vector); /* borrowed */
    /* An eventfd to be written after a doorbell while the wake word is not 0; -1 without wake_offset. */
    int (*wake_fd)(struct hw_function *function); /* borrowed */

    /* Once, before any page is made or adopted: joins the relay. */
    int (*use_relay)(struct hw_backend *backend, const struct hw_relay_config *config);
    /* No VF, page or queue pair of an earlier homid is adopted any more: the relay drops what was not. */
    void (*settled)(struct hw_backend *backend);
    /* A page of doorbells for one process, which the relay forwards. Ends with page_free, which comes after
     * its queue pairs were deleted, or when its function is closed. 0 or a negative errno. */
    int (*page_new)(struct hw_function *function, struct hw_page **ret_page);
    /* One that an earlier homid made, as it is. fd is taken in any case. 0 or a negative errno. */
    int (*page_adopt)(struct hw_function *function, int fd, struct hw_page **ret_page);
    /*
     * A queue pair that an earlier homid had forwarded, through this page (NULL: it is lost). whole: it goes
     * on; otherwise it is only there to be deleted. 0 or a negative errno.
     */
    int (*queue_adopt)(struct hw_function *function, struct hw_page *page, uint16_t id, uint32_t entries,
                       bool whole);
    void (*page_free)(struct hw_page *page);
    void (*page_info)(const struct hw_page *page, struct hw_page_info *ret_info);
    void (*page_queue)(const struct hw_page *page, uint16_t id, struct hw_page_queue *ret_queue);

    void (*map)(struct hw_function *function, int memfd, uint64_t offset, uint64_t bytes, uint64_t iova,
                hw_done done, void *user);
    /* perhaps: an earlier homid may or may not have come to map it, so nothing there is no failure. */
    void (*unmap)(struct hw_function *function, uint64_t iova, uint64_t bytes, bool perhaps, hw_done done,
                  void *user);
    void (*create_queue_pair)(struct hw_function *function, const struct hw_queue_pair *pair, hw_done done,
                              void *user);
    void (*delete_queue_pair)(struct hw_function *function, uint16_t id, hw_done done,
                              void *user); /* SQ, then CQ */
    /*
     * Writes zeroes to blocks of a namespace that is attached to the function, and reads them back; -EILSEQ:
     * something else was read. The function has no queue pairs and no memory of anybody's before and after.
     */
    void (*wipe)(struct hw_function *function, const struct hw_namespace *info, uint64_t first,
                 uint32_t blocks, hw_done done, void *user);
    /* What the controller says and does about commands that concern others -> verdict. */
    void (*examine)(struct hw_function *function, hw_done done, void *user);
    /* -> namespace_info as this function sees it; -ENOENT when it is not attached to it. */
    void (*identify_namespace)(struct hw_function *function, uint32_t id, hw_done done, void *user);
    /* The few admin commands that tenants may ask for -> data, or value. */
    void (*identify)(struct hw_function *function, uint8_t cns, uint32_t namespace_id, hw_done done,
                     void *user);
    void (*get_log_page)(struct hw_function *function, uint8_t page, uint32_t namespace_id, uint32_t bytes,
                         hw_done done, void *user);
    void (*get_feature)(struct hw_function *function, uint8_t feature, hw_done done, void *user);

    void (*free)(struct hw_backend *backend); /* NULL-safe wrapper: hw_backend_free */
};

static inline void hw_backend_free(struct hw_backend *backend)
{
    if (backend)
        backend->free(backend);
}

struct event_base;
/* The Linux backend. Helper processes are started from `program` (homid itself, run as `homid --helper`). */
int hw_linux_new(struct event_base *base, const char *program, const struct hw_listener *listener,
                 struct hw_backend **ret_backend);
/*
 * The software SSD's backend. Joins the model process that listens on the socket `path`, or has `program`
 * start one (`homid --model-process`) with `spec`, a specification that was checked. A process that is joined
 * keeps its own, which an event names where its digest differs. It outlives homid.
 */
int hw_model_new(struct event_base *base, const char *program, const char *path, const char *spec,
                 uint64_t digest, const struct hw_listener *listener, struct hw_backend **ret_backend);

#endif
