/* SPDX-License-Identifier: BSD-3-Clause */
/* The Linux backend's vtable, and its operations on devices: each is one helper job. */
#include "daemon/hw/linux/backend.h"

#include <errno.h>
#include <event2/event.h>
#include <libnvme.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/hw/linux/uevents.h"
#include "daemon/hw/model/news.h"

enum {
    HELPERS_MAX = 32,
    WATCH_SECONDS = 2, /* of CSTS; a reset of the PF is told by the kernel at once */
    /* Longer than the kernel waits for a PF's admin command, so that its verdict is the one that is told. */
    QUERY_MILLISECONDS = 70000,
    SRIOV_MILLISECONDS = 60000,
    BIND_MILLISECONDS = 30000,
    LOAN_MILLISECONDS = 60000, /* the kernel's driver brings a controller up, or flushes what is dirty */
};

struct operation {
    TAILQ_ENTRY(operation) link;
    struct linux_backend *backend;
    struct helper_lane *lane;
    job_decode decode;
    hw_done done;
    void *user;
    int error; /* of an operation that could not be started */
    const char *what;
};

uint64_t backend_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void *backend_allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (!memory)
        abort();
    return memory;
}

static void operation_end(struct operation *operation, const struct hw_result *result)
{
    hw_done done = operation->done;
    void *user = operation->user;

    TAILQ_REMOVE(&operation->backend->operations, operation, link);
    free(operation);
    done(user, result);
}

static void on_reply(void *user, struct helper_reply *reply)
{
    struct operation *operation = user;
    struct hw_result result = {.error = reply->error, .nvme_status = reply->nvme_status};

    snprintf(result.reason, sizeof(result.reason), "%s", reply->reason);
    if (!result.error && operation->decode)
        operation->decode(reply, &result, operation->user);
    operation_end(operation, &result);
}

static void on_not_started(evutil_socket_t fd, short events, void *user)
{
    struct operation *operation = user;
    struct hw_result result = {.error = operation->error};
    (void)fd;
    (void)events;

    snprintf(result.reason, sizeof(result.reason), "%s: %s", operation->what, strerror(-operation->error));
    operation_end(operation, &result);
}

static struct operation *operation_new(struct linux_backend *backend, hw_done done, void *user)
{
    struct operation *operation = backend_allocate(sizeof(*operation));

    *operation = (struct operation){.backend = backend, .done = done, .user = user};
    TAILQ_INSERT_TAIL(&backend->operations, operation, link);
    return operation;
}

static void end_later(struct operation *operation, int error, const char *what)
{
    const struct timeval now = {0};

    operation->error = error;
    operation->what = what;
    if (event_base_once(operation->backend->base, -1, EV_TIMEOUT, on_not_started, operation, &now) < 0)
        abort();
}

void backend_refuse(struct linux_backend *backend, int error, const char *what, hw_done done, void *user)
{
    end_later(operation_new(backend, done, user), error, what);
}

void backend_run(struct linux_backend *backend, struct helper_lane *lane,
                 const struct helper_request *request, job_decode decode, hw_done done, void *user)
{
    struct operation *operation = operation_new(backend, done, user);

    operation->decode = decode;
    int r = helper_run(backend->pool, lane, request, on_reply, operation);
    if (r < 0)
        end_later(operation, r, "starting a helper job");
    else
        operation->lane = lane;
}

void backend_cancel(struct linux_backend *backend, struct helper_lane *lane)
{
    struct operation *operation = TAILQ_FIRST(&backend->operations);

    if (!lane->busy)
        return;
    helper_cancel(backend->pool, lane);
    while (operation) {
        struct operation *next = TAILQ_NEXT(operation, link);
        if (operation->lane == lane) {
            TAILQ_REMOVE(&backend->operations, operation, link);
            free(operation);
        }
        operation = next;
    }
}

/* ---- devices ---- */

static void run_device(struct hw_device *device, enum hw_linux_job job, const struct job_device *data,
                       unsigned deadline, job_decode decode, hw_done done, void *user)
{
    const struct helper_request request = {
        .job = job, .data = data, .bytes = sizeof(*data), .deadline_milliseconds = deadline};

    backend_run(device->backend, &device->lane, &request, decode, done, user);
}

static int linux_device_new(struct hw_backend *backend, const struct hw_device_selector *selector, void *user,
                            struct hw_device **ret_device)
{
    struct linux_backend *self = (struct linux_backend *)backend;
    const char *serial = selector->serial ? selector->serial : "";
    const char *address = selector->address ? selector->address : "";

    if (strlen(serial) >= SERIAL_BYTES || strlen(address) >= HW_ADDRESS_BYTES || !(*serial || *address))
        return -EINVAL;
    struct hw_device *device = calloc(1, sizeof(*device));
    if (!device)
        return -ENOMEM;
    device->backend = self;
    device->user = user;
    strcpy(device->selector.serial, serial);
    strcpy(device->selector.address, address);
    TAILQ_INSERT_TAIL(&self->devices, device, link);
    *ret_device = device;
    return 0;
}

static void linux_device_free(struct hw_device *device)
{
    if (!device)
        return;
    backend_cancel(device->backend, &device->lane);
    TAILQ_REMOVE(&device->backend->devices, device, link);
    free(device);
}

static bool complete(const struct helper_reply *reply, size_t bytes, struct hw_result *result)
{
    if (reply->bytes == bytes)
        return true;
    result->error = -EPROTO;
    snprintf(result->reason, sizeof(result->reason), "a helper's reply has %zu bytes instead of %zu",
             reply->bytes, bytes);
    return false;
}

struct probing {
    struct hw_device *device;
    hw_done done;
    void *user;
};

static void decode_info(struct helper_reply *reply, struct hw_result *result, void *user)
{
    (void)user;
    if (complete(reply, sizeof(*result->device_info), result))
        result->device_info = reply->data;
}

/* Keeps where the device is: kernel events name it by that. */
static void on_probed(void *user, const struct hw_result *result)
{
    struct probing probing = *(struct probing *)user;

    free(user);
    probing.device->address[0] = '\0';
    if (!result->error) {
        memcpy(probing.device->address, result->device_info->address, HW_ADDRESS_BYTES);
        memcpy(probing.device->controller, result->device_info->controller,
               sizeof(probing.device->controller));
    }
    probing.done(probing.user, result);
}

static void linux_probe(struct hw_device *device, hw_done done, void *user)
{
    struct probing *probing = backend_allocate(sizeof(*probing));

    *probing = (struct probing){.device = device, .done = done, .user = user};
    run_device(device, JOB_PROBE, &device->selector, QUERY_MILLISECONDS, decode_info, on_probed, probing);
}

static void decode_secondaries(struct helper_reply *reply, struct hw_result *result, void *user)
{
    (void)user;
    result->secondaries.list = reply->data;
    result->secondaries.count = (unsigned)(reply->bytes / sizeof(struct hw_secondary));
}

static void linux_list_secondaries(struct hw_device *device, hw_done done, void *user)
{
    run_device(device, JOB_LIST_SECONDARIES, &device->selector, QUERY_MILLISECONDS, decode_secondaries, done,
               user);
}

static void linux_set_function_count(struct hw_device *device, unsigned count, hw_done done, void *user)
{
    struct job_device data = device->selector;

    data.count = (uint16_t)count;
    run_device(device, JOB_FUNCTION_COUNT, &data, SRIOV_MILLISECONDS, NULL, done, user);
}

static void decode_value(struct helper_reply *reply, struct hw_result *result, void *user)
{
    (void)user;
    if (complete(reply, sizeof(result->value), result))
        memcpy(&result->value, reply->data, sizeof(result->value));
}

static void linux_assign(struct hw_device *device, uint16_t controller_id, enum hw_resource_kind kind,
                         uint16_t count, hw_done done, void *user)
{
    struct job_device data = device->selector;

    data.controller_id = controller_id;
    data.action = NVME_VIRT_MGMT_ACT_ASSIGN_SEC_CTRL;
    data.resource = (uint8_t)kind;
    data.count = count;
    run_device(device, JOB_VIRTUALIZATION, &data, QUERY_MILLISECONDS, decode_value, done, user);
}

static void linux_set_online(struct hw_device *device, uint16_t controller_id, bool online, hw_done done,
                             void *user)
{
    struct job_device data = device->selector;

    data.controller_id = controller_id;
    data.action = online ? NVME_VIRT_MGMT_ACT_ONLINE_SEC_CTRL : NVME_VIRT_MGMT_ACT_OFFLINE_SEC_CTRL;
    run_device(device, JOB_VIRTUALIZATION, &data, QUERY_MILLISECONDS, decode_value, done, user);
}

static void decode_place(struct helper_reply *reply, struct hw_result *result, void *user)
{
    (void)user;
    if (complete(reply, sizeof(*result->place), result))
        result->place = reply->data;
}

static void linux_bind(struct hw_device *device, unsigned index, hw_done done, void *user)
{
    struct job_device data = device->selector;

    data.index = (uint16_t)index;
    run_device(device, JOB_BIND, &data, BIND_MILLISECONDS, decode_place, done, user);
}

static void linux_unbind(struct hw_device *device, unsigned index, hw_done done, void *user)
{
    struct job_device data = device->selector;

    data.index = (uint16_t)index;
    run_device(device, JOB_UNBIND, &data, BIND_MILLISECONDS, NULL, done, user);
}

static void linux_attach_namespace(struct hw_device *device, uint32_t id, uint16_t controller_id, bool attach,
                                   hw_done done, void *user)
{
    struct job_device data = device->selector;

    data.namespace_id = id;
    data.controller_id = controller_id;
    data.attach = attach;
    run_device(device, JOB_ATTACH_NAMESPACE, &data, QUERY_MILLISECONDS, NULL, done, user);
}

/* ---- loans ---- */

static void run_loan(struct hw_device *device, enum hw_linux_job job, unsigned index,
                     const struct hw_loan *loan, job_decode decode, hw_done done, void *user)
{
    struct job_loan data = {.device = device->selector, .kind = (uint8_t)loan->kind};

    data.device.index = (uint16_t)index;
    data.user = loan->user;
    data.kill = loan->kill;
    for (unsigned i = 0; i < loan->namespace_count && i < LOAN_NAMESPACES_MAX; i++)
        data.namespaces[data.namespace_count++] = loan->namespaces[i];
    const struct helper_request request = {
        .job = job, .data = &data, .bytes = sizeof(data), .deadline_milliseconds = LOAN_MILLISECONDS};
    backend_run(device->backend, &device->lane, &request, decode, done, user);
}

static void decode_nodes(struct helper_reply *reply, struct hw_result *result, void *user)
{
    (void)user;
    if (complete(reply, sizeof(*result->nodes), result))
        result->nodes = reply->data;
}

static void linux_lend(struct hw_device *device, unsigned index, const struct hw_loan *loan, hw_done done,
                       void *user)
{
    run_loan(device, JOB_LEND, index, loan, decode_nodes, done, user);
}

static void linux_withdraw(struct hw_device *device, unsigned index, const struct hw_loan *loan, hw_done done,
                           void *user)
{
    run_loan(device, JOB_WITHDRAW, index, loan, NULL, done, user);
}

static void linux_reclaim(struct hw_device *device, unsigned index, const struct hw_loan *loan, hw_done done,
                          void *user)
{
    run_loan(device, JOB_RECLAIM, index, loan, NULL, done, user);
}

static void linux_change_namespace(struct hw_device *device, const struct hw_namespace_change *change,
                                   hw_done done, void *user)
{
    bool format = change->act == HW_NAMESPACE_FORMAT;
    const struct job_namespace data = {.device = device->selector, .change = *change};
    const struct helper_request request = {
        .job = JOB_CHANGE_NAMESPACE,
        .data = &data,
        .bytes = sizeof(data),
        /* Longer than the kernel waits, so that its verdict is the one that is told. */
        .deadline_milliseconds = QUERY_MILLISECONDS + (format ? HW_FORMAT_MILLISECONDS : 0),
    };

    backend_run(device->backend, &device->lane, &request,
                change->act == HW_NAMESPACE_CREATE ? decode_value : NULL, done, user);
}

/* ---- the backend ---- */

static int linux_device_fd(struct hw_function *function)
{
    return function->fds[OPENED_DEVICE];
}

static int linux_event_fd(struct hw_function *function, uint16_t vector)
{
    return vector <= function->info.interrupts ? function->fds[OPENED_VECTORS + vector] : -1;
}

static int linux_wake_fd(struct hw_function *function)
{
    return function->info.wake_offset ? function->fds[OPENED_GROUP] : -1;
}

static void on_watch(evutil_socket_t fd, short events, void *user)
{
    struct linux_backend *backend = user;
    struct hw_function *function;
    (void)fd;
    (void)events;

    TAILQ_FOREACH (function, &backend->functions, link)
        function_watch(function);
}

static void linux_free(struct hw_backend *interface)
{
    struct linux_backend *backend = (struct linux_backend *)interface;
    struct operation *operation;
    struct hw_function *function;
    struct hw_device *device;

    uevents_free(backend->uevents);
    model_news_free(backend->news);
    while ((function = TAILQ_FIRST(&backend->functions)))
        function_free(function);
    while ((device = TAILQ_FIRST(&backend->devices)))
        linux_device_free(device);
    relay_link_free(backend->relay);
    helper_pool_free(backend->pool);
    while ((operation = TAILQ_FIRST(&backend->operations))) {
        TAILQ_REMOVE(&backend->operations, operation, link);
        free(operation);
    }
    if (backend->watch)
        event_free(backend->watch);
    free(backend);
}

static const struct hw_backend template = {
    .device_new = linux_device_new,
    .device_free = linux_device_free,
    .probe = linux_probe,
    .list_secondaries = linux_list_secondaries,
    .set_function_count = linux_set_function_count,
    .assign = linux_assign,
    .set_online = linux_set_online,
    .bind = linux_bind,
    .unbind = linux_unbind,
    .attach_namespace = linux_attach_namespace,
    .change_namespace = linux_change_namespace,
    .lend = linux_lend,
    .withdraw = linux_withdraw,
    .reclaim = linux_reclaim,
    .open = linux_open,
    .kept_fds = linux_kept_fds,
    .adopt = linux_adopt,
    .discard = linux_discard,
    .take_over = linux_take_over,
    .close = linux_close,
    .suspend = linux_suspend,
    .renew = linux_renew,
    .device_fd = linux_device_fd,
    .event_fd = linux_event_fd,
    .wake_fd = linux_wake_fd,
    .use_relay = linux_use_relay,
    .settled = linux_settled,
    .page_new = linux_page_new,
    .page_adopt = linux_page_adopt,
    .queue_adopt = linux_queue_adopt,
    .page_free = relay_page_free,
    .page_info = relay_page_info,
    .page_queue = relay_page_queue,
    .map = linux_map,
    .unmap = linux_unmap,
    .create_queue_pair = linux_create_queue_pair,
    .delete_queue_pair = linux_delete_queue_pair,
    .examine = linux_examine,
    .wipe = linux_wipe,
    .identify_namespace = linux_identify_namespace,
    .identify = linux_identify,
    .get_log_page = linux_get_log_page,
    .get_feature = linux_get_feature,
    .free = linux_free,
};

int backend_new(struct event_base *base, const char *name, struct helper_pool *pool,
                const struct hw_listener *listener, struct linux_backend **ret_backend)
{
    const struct timeval period = {.tv_sec = WATCH_SECONDS};
    struct linux_backend *backend = calloc(1, sizeof(*backend));

    if (!backend) {
        helper_pool_free(pool);
        return -ENOMEM;
    }
    backend->interface = template;
    backend->interface.name = name;
    backend->base = base;
    backend->pool = pool;
    backend->listener = *listener;
    TAILQ_INIT(&backend->operations);
    TAILQ_INIT(&backend->devices);
    TAILQ_INIT(&backend->functions);
    backend->watch = event_new(base, -1, EV_PERSIST, on_watch, backend);
    if (!backend->watch || event_add(backend->watch, &period) < 0) {
        linux_free(&backend->interface);
        return -ENOMEM;
    }
    *ret_backend = backend;
    return 0;
}

int hw_linux_new(struct event_base *base, const char *program, const struct hw_listener *listener,
                 struct hw_backend **ret_backend)
{
    struct linux_backend *backend;
    struct helper_pool *pool;

    int r = helper_pool_new(base, program, HELPERS_MAX, &pool);
    if (r < 0)
        return r;
    r = backend_new(base, "linux", pool, listener, &backend);
    if (r < 0)
        return r;
    r = uevents_new(backend, &backend->uevents);
    if (r < 0) {
        linux_free(&backend->interface);
        return r;
    }
    *ret_backend = &backend->interface;
    return 0;
}
