/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Linux backend's own structures: devices (the PF, reached by helper jobs only), functions (an opened VF:
 * its VFIO descriptors and its admin queue, driven by the event loop) and the commands on them.
 */
#ifndef HOMI_DAEMON_HW_LINUX_BACKEND_H
#define HOMI_DAEMON_HW_LINUX_BACKEND_H

#include <stdalign.h>
#include <sys/queue.h>

#include "daemon/helper/helper.h"
#include "daemon/hw/admin_queue.h"
#include "daemon/hw/backend.h"
#include "daemon/hw/linux/controller.h"
#include "daemon/hw/linux/jobs.h"
#include "daemon/hw/relay.h"
#include "daemon/hw/verdict.h"

struct operation;
struct uevents;
struct model_news_reader;

struct linux_backend {
    struct hw_backend interface; /* first: a hw_backend is cast to this */
    struct event_base *base;
    struct helper_pool *pool;
    struct hw_listener listener;
    struct event *watch;            /* looks at every opened function now and then */
    struct uevents *uevents;        /* what happens to devices is told by the kernel, */
    struct model_news_reader *news; /* or by the software SSD */
    struct relay_link *relay;       /* NULL: nobody is relayed */
    TAILQ_HEAD(, operation) operations;
    TAILQ_HEAD(, hw_device) devices;
    TAILQ_HEAD(, hw_function) functions;
};

struct hw_device {
    TAILQ_ENTRY(hw_device) link;
    struct linux_backend *backend;
    void *user;
    struct job_device selector;
    char address[HW_ADDRESS_BYTES]; /* as last probed; empty while absent */
    char controller[32];
    struct helper_lane lane; /* one operation at a time */
};

/* FUNCTION_SUSPENDED: its controller was reset; it keeps its descriptors and what is mapped, and sends
 * nothing.
 */
enum function_state { FUNCTION_OPENING, FUNCTION_READY, FUNCTION_SUSPENDED, FUNCTION_CLOSING };

struct command;
TAILQ_HEAD(command_list, command);

/*
 * What of an opened VF the next homid needs, beside its descriptors: in a memfd of its own, which no device
 * reaches. complete is set last. The layout belongs to STATE_VERSION (daemon/restart/state.h).
 */
struct function_kept {
    uint64_t complete;
    struct job_opened opened;
    struct hw_function_info info;
    uint64_t capabilities;
    uint32_t events_max, events_offered;
    struct verdict_facts facts;
    alignas(8) uint8_t ring[ADMIN_RING_BYTES];
};

enum { FUNCTION_MEMFDS = 3 /* what the controller reads, what it writes, function_kept */ };
/* Of what is kept of a function, in this order, before the descriptors as OPENED_*. */
enum { KEPT_LEDGER = FUNCTION_MEMFDS, KEPT_WAKE, KEPT_OPENED };

struct hw_function {
    TAILQ_ENTRY(hw_function) link;
    struct linux_backend *backend;
    void *listener_user;
    enum function_state state;
    bool failed;
    bool failure_told;
    bool renewing;     /* opening anew what is open */
    bool reset_needed; /* it did not stop when it was told to */
    bool in_use;       /* it had an I/O queue pair since it was opened */
    int outcome;       /* of an open that failed, for when everything was given back */
    char reason[HW_REASON_BYTES];

    int memfds[FUNCTION_MEMFDS];
    struct admin_memory memory;
    struct function_kept *kept;
    struct job_opened opened;
    int *fds; /* as OPENED_*; NULL while not open */
    size_t fd_count;
    struct helper_lane lane; /* open, map, unmap and release, in order */
    struct controller controller;
    struct admin_queue *queue;
    struct relay_ledger ledger;
    struct relay_port *port; /* NULL: nobody is relayed on it */
    bool adopted;            /* the relay may have it from an earlier homid */
    struct wipe *wipe;       /* under way; NULL: none */
    struct hw_function_info info;
    unsigned events_max;     /* Asynchronous Event Requests that it takes */
    uint32_t events_offered; /* OAES */
    struct verdict_facts facts;
    unsigned awaited; /* commands that must end before it counts as adopted */
    void (*brought_up)(struct hw_function *function, int error);

    struct event *on_interrupt, *on_request, *on_error; /* of descriptors */
    struct event *attention;                            /* what was found out where no callback is allowed */
    struct event *backstop; /* deadlines and lost interrupts, while commands are pending */
    struct command_list commands;
    struct command_list ended; /* results still to be told */

    hw_done done; /* of open, renew, then of close */
    void *user;
};

/* ---- function.c: the life of an opened VF ---- */

void linux_open(struct hw_device *device, unsigned index, void *listener_user, hw_done done, void *user);
void linux_close(struct hw_function *function, hw_done done, void *user);
void linux_suspend(struct hw_function *function, const char *reason);
void linux_renew(struct hw_function *function, hw_done done, void *user);
void function_free(struct hw_function *function); /* at once, without a callback */
/* The parts that opening and adopting share. */
int function_new(struct linux_backend *backend, struct hw_function **ret_function);
int function_take_descriptors(struct hw_function *function, const struct job_opened *opened, int *fds,
                              size_t fd_count);
struct admin_listener function_admin_listener(struct hw_function *function);
void function_ready(struct hw_function *function);
/* Tells the listener, and ends every command, when the event loop comes round. reason is copied. */
void function_fail_later(struct hw_function *function, const char *reason);
void function_watch(struct hw_function *function);

/* ---- adopt.c: a VF that an earlier homid opened ---- */

size_t linux_kept_fds(struct hw_function *function, int fds[HW_KEPT_FDS_MAX]);
void linux_adopt(struct hw_device *device, const int *fds, size_t fd_count, bool reset, void *listener_user,
                 hw_done done, void *user);
void linux_discard(struct hw_backend *backend, const int *fds, size_t fd_count, hw_done done, void *user);
void linux_take_over(struct hw_backend *backend, hw_done done, void *user);

/* ---- memory.c: what is mapped for the VF ---- */

int function_memory_new(struct hw_function *function);
int function_memory_adopt(struct hw_function *function); /* the memfds are there; -EPROTO: they are others */
void function_memory_free(struct hw_function *function);
void linux_map(struct hw_function *function, int memfd, uint64_t offset, uint64_t bytes, uint64_t iova,
               hw_done done, void *user);
void linux_unmap(struct hw_function *function, uint64_t iova, uint64_t bytes, bool perhaps, hw_done done,
                 void *user);

/* ---- relayed.c: functions whose doorbells the relay forwards ---- */

int linux_use_relay(struct hw_backend *backend, const struct hw_relay_config *config);
void linux_settled(struct hw_backend *backend);
int linux_page_new(struct hw_function *function, struct hw_page **ret_page);
int linux_page_adopt(struct hw_function *function, int fd, struct hw_page **ret_page);
int linux_queue_adopt(struct hw_function *function, struct hw_page *page, uint16_t id, uint32_t entries,
                      bool whole);

/* ---- command.c: commands on the admin queue, with deadlines ---- */

/* Called with the outcome; owns the command: command_end, or submit the next step. */
typedef void (*command_next)(struct command *command, const struct admin_completion *completion);

struct command {
    TAILQ_ENTRY(command) link;
    struct hw_function *function;
    const char *what; /* of the step under way, for messages */
    command_next next;
    uint64_t deadline; /* monotonic, milliseconds */
    hw_done done;      /* NULL: homid's own */
    void *user;
    struct hw_queue_pair pair;
    uint32_t namespace_id;
    uint32_t event; /* that made homid send it */
    unsigned trial; /* of an examination */
    struct hw_verdict verdict;
    struct hw_result result;
};

struct command *command_new(struct hw_function *function, hw_done done, void *user);
/* Sends the command's next step; when that fails the command ends later. */
void command_submit(struct command *command, const char *what, const struct admin_command *admin,
                    command_next next);
/* Calls done with the command's result, and frees it. Only from the event loop. */
void command_end(struct command *command);
/* The same, from where no callback is allowed. */
void command_end_later(struct command *command, int error, const char *reason);
/* Fills the command's result from a completion. 0 or the error. */
int command_take(struct command *command, const struct admin_completion *completion);
/* Ends all of the function's commands with `error`, later. */
void commands_cancel(struct hw_function *function, int error, const char *reason);
void commands_tell_ended(struct hw_function *function);
void commands_backstop(struct hw_function *function); /* expires deadlines, and looks for lost interrupts */
void commands_free(struct hw_function *function);

/* ---- bring_up.c: what a controller is asked and told before tenants use it ---- */

/* function->brought_up is called once with 0 or a negative errno, the reason in function->reason. */
void function_bring_up(struct hw_function *function);
/* Arms all asynchronous events again: the one who should have read their log pages may not have come to it.
 */
void function_rearm_events(struct hw_function *function);
/* The controller reports an asynchronous event: reads its log page, which arms it again, and tells. */
void function_notice(struct hw_function *function, uint32_t value);

/* ---- requests.c: the vtable's operations on the admin queue ---- */

void linux_wipe(struct hw_function *function, const struct hw_namespace *info, uint64_t first,
                uint32_t blocks, hw_done done, void *user);
void wipe_free(struct wipe *wipe); /* at once, without a callback; NULL-safe */
void linux_create_queue_pair(struct hw_function *function, const struct hw_queue_pair *pair, hw_done done,
                             void *user);
void linux_delete_queue_pair(struct hw_function *function, uint16_t id, hw_done done, void *user);
void linux_identify_namespace(struct hw_function *function, uint32_t id, hw_done done, void *user);
void linux_identify(struct hw_function *function, uint8_t cns, uint32_t namespace_id, hw_done done,
                    void *user);
void linux_get_log_page(struct hw_function *function, uint8_t page, uint32_t namespace_id, uint32_t bytes,
                        hw_done done, void *user);
void linux_get_feature(struct hw_function *function, uint8_t feature, hw_done done, void *user);

/* ---- examine.c ---- */

void linux_examine(struct hw_function *function, hw_done done, void *user);

/* ---- backend.c ---- */

/* A backend without a source of device events. Takes the pool, also when it fails. */
int backend_new(struct event_base *base, const char *name, struct helper_pool *pool,
                const struct hw_listener *listener, struct linux_backend **ret_backend);

/* Reads a reply without error into the result; user is that of done. */
typedef void (*job_decode)(struct helper_reply *reply, struct hw_result *result, void *user);
/*
 * Runs a job and calls done with what came back, read by `decode` (NULL: nothing but the error). When it
 * cannot be started the callback comes all the same.
 */
void backend_run(struct linux_backend *backend, struct helper_lane *lane,
                 const struct helper_request *request, job_decode decode, hw_done done, void *user);
/* Calls done with an error, later. what is a constant. */
void backend_refuse(struct linux_backend *backend, int error, const char *what, hw_done done, void *user);
/* Ends what the lane has under way without a callback; the lane may be freed. */
void backend_cancel(struct linux_backend *backend, struct helper_lane *lane);
uint64_t backend_now(void); /* monotonic, milliseconds */
/* Zeroed memory for the bookkeeping of one operation; ends the process when there is none, as no answer is
 * due then. */
void *backend_allocate(size_t bytes);

#endif
