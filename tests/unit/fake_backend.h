/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An hw_backend in memory for tests of the core. Operations are queued and end when the test says so, as the
 * test says; meanwhile the fake keeps the state of the devices and notes every act of the core that real
 * hardware would punish (fake_complaint): memory unmapped under a live queue, a namespace on the VFs of two
 * tenants, a handle used after its close, two device operations at once, and more.
 */
#ifndef HOMI_TESTS_UNIT_FAKE_BACKEND_H
#define HOMI_TESTS_UNIT_FAKE_BACKEND_H

#include "daemon/hw/backend.h"

#define FAKE_DEVICES_MAX    4
#define FAKE_FUNCTIONS_MAX  8
#define FAKE_NAMESPACES_MAX 8
#define FAKE_PAIRS_MAX      16
#define FAKE_MAPPINGS_MAX   64
#define FAKE_PAGES_MAX      64
#define FAKE_PAGE_FD        300

enum fake_operation {
    FAKE_PROBE,
    FAKE_LIST,
    FAKE_COUNT,
    FAKE_ASSIGN,
    FAKE_ONLINE,
    FAKE_BIND,
    FAKE_UNBIND,
    FAKE_ATTACH,
    FAKE_CHANGE,
    FAKE_LEND,
    FAKE_WITHDRAW,
    FAKE_RECLAIM,
    FAKE_OPEN,
    FAKE_CLOSE,
    FAKE_EXAMINE,
    FAKE_RENEW,
    FAKE_MAP,
    FAKE_UNMAP,
    FAKE_CREATE,
    FAKE_DELETE,
    FAKE_IDENTIFY_NAMESPACE,
    FAKE_IDENTIFY,
    FAKE_LOG,
    FAKE_FEATURE,
    FAKE_ADOPT,
    FAKE_WIPE,
    FAKE_OPERATIONS,
};

/* A page of doorbells. */
struct hw_page {
    struct fake *fake;
    struct hw_function *function; /* NULL: not made, or freed */
    int fd;
    bool stale; /* of an earlier homid, and not adopted */
};

struct fake_mapping {
    uint64_t iova, bytes;
};

/* One VF: what the device and the kernel know of it. */
struct hw_function {
    struct hw_device *device;
    unsigned index;
    void *listener_user;
    bool open, held /* by a process: opening again is -EBUSY */, online, bound, suspended;
    uint16_t queues, interrupts;
    unsigned attached; /* bit mask of the device's namespaces */
    struct hw_queue_pair pairs[FAKE_PAIRS_MAX];
    /* What the relay forwards; and of that what this homid does not know of. */
    bool forwarded[FAKE_PAIRS_MAX], unknown[FAKE_PAIRS_MAX];
    struct fake_mapping mappings[FAKE_MAPPINGS_MAX];
    struct hw_page pages[FAKE_PAGES_MAX];
    unsigned mapping_count, pair_count, page_count, opens;
    bool on_loan;
    struct hw_loan loan; /* as the core last gave it */
    bool viable, kept /* stays open when homid dies */, adopted /* by another homid than opened it */;
    bool orphan; /* nothing but what is kept holds it open */
    bool down;   /* its controller was reset, and not brought up since */
    bool wiping; /* the queue pair that it wipes with is there */
};

struct hw_device {
    struct fake *fake;
    unsigned index;
    void *user;
    bool made, absent, busy;
    struct hw_device_info info;
    uint16_t function_pairs, function_interrupts; /* granted when there is no Virtualization Management */
    struct hw_iova_range range;
    struct hw_function functions[FAKE_FUNCTIONS_MAX];
    struct hw_namespace_change change;       /* the last that was asked for */
    uint64_t wiped[FAKE_NAMESPACES_MAX + 1]; /* blocks in a row from the first, by namespace id */
    unsigned reattach;                       /* bit mask of namespaces that come back to a VF at each open */
};

struct fake_op;

struct fake {
    struct hw_backend backend; /* first member */
    struct hw_device devices[FAKE_DEVICES_MAX];
    struct fake_op *first, **last;
    unsigned pending, total /* started */, ended;
    unsigned count[FAKE_OPERATIONS]; /* started so far */
    unsigned fail_at;                /* the operation with this number (1 is the first) ... */
    int fail_error;                  /* ... ends so; 0: never */
    unsigned fail_kind;              /* bit mask of operations that fail, always */
    int fail_kind_error;
    uint16_t fail_status;
    bool dead;                       /* homid is: what it starts from now on never happens */
    enum hw_confinement confinement; /* of every function */
    int fail_page;                   /* making or adopting a page of doorbells ends so; 0: it does not */
    unsigned pages_made;
    bool settled;        /* since homid died last */
    unsigned discarded;  /* descriptors */
    char complaint[160]; /* the first one; empty: none */
};

/* device_count devices of 4 VFs, VQ 16/4, VI 8/2, 3 shareable namespaces, as the emulated SSD has them. */
void fake_init(struct fake *fake, unsigned device_count);
void fake_fini(struct fake *fake);
void fake_close_unkept(struct fake *fake, const struct hw_function *only); /* NULL: of all VFs */
/*
 * The end of homid, before its core is freed: what it had started happens for those that `happens` picks,
 * without an answer, and VFs that are not kept are closed. Another core may use the fake then.
 */
void fake_die(struct fake *fake, bool (*happens)(void));
void fake_age_pages(struct fake *fake); /* the relay has what it had; the next homid has to adopt it */

/* Ends the oldest pending operation (false: there is none), or one of them by number, by its outcome or
 * -error. */
bool fake_step(struct fake *fake);
bool fake_step_nth(struct fake *fake, unsigned nth);
bool fake_step_with(struct fake *fake, unsigned nth, int error);
void fake_run(struct fake *fake); /* until nothing is pending */
/* The kind of the pending operation by number; FAKE_OPERATIONS: none. */
enum fake_operation fake_kind(const struct fake *fake, unsigned nth);
/* Whom the pending operation by number is for: the core's function for its steps, its device, and others. */
const void *fake_user(const struct fake *fake, unsigned nth);
const char *fake_operation_name(enum fake_operation operation);

/* What a function answers, in fake_views.c. */
void fake_list_namespaces(const struct hw_function *function, uint8_t *data);
struct hw_function_info fake_function_info(const struct hw_function *function);
unsigned fake_list_secondaries(const struct hw_device *device, struct hw_secondary *list);
bool fake_is_mapped(const struct hw_function *function, uint64_t iova);
/* The backend's operations on pages of doorbells. */
int fake_page_new(struct hw_function *function, struct hw_page **ret_page);
int fake_page_adopt(struct hw_function *function, int fd, struct hw_page **ret_page);
int fake_queue_adopt(struct hw_function *function, struct hw_page *page, uint16_t id, uint32_t entries,
                     bool whole);
void fake_settled(struct hw_backend *backend);
void fake_discard(struct hw_backend *backend, const int *fds, size_t fd_count, hw_done done, void *user);
void fake_page_free(struct hw_page *page);
void fake_page_info(const struct hw_page *page, struct hw_page_info *ret_info);
void fake_page_queue(const struct hw_page *page, uint16_t id, struct hw_page_queue *ret_queue);

/* How many namespaces are attached to VFs, queue pairs and mappings live, and VFs are open, on all devices.
 */
struct fake_totals {
    unsigned attached, pairs, mappings, pages, open;
};
struct fake_totals fake_totals(const struct fake *fake);
/* What the hardware does unasked: the state changes, and the core is not told yet. The VFs are gone, */
void fake_reset_device(struct hw_device *device);
/* or they stay, offline and without resources, as the kernel's reset of an SSD leaves them. */
void fake_reset_controllers(struct hw_device *device);

#endif
