/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_device.h"

static struct fake *fake_of(struct hw_backend *backend)
{
    return (struct fake *)backend;
}

static bool is_device_operation(enum fake_operation kind)
{
    return kind <= FAKE_RECLAIM;
}

/* That the controller is asked to carry out. */
static bool is_command(enum fake_operation kind)
{
    return kind >= FAKE_CREATE && kind <= FAKE_FEATURE;
}

static struct fake_op *push(struct hw_device *device, struct hw_function *function, enum fake_operation kind,
                            hw_done done, void *user)
{
    struct fake *fake = device->fake;
    struct fake_op *op = calloc(1, sizeof(*op));

    if (!op)
        abort();
    op->kind = kind;
    op->device = device;
    op->function = function;
    op->done = done;
    op->user = user;
    op->ghost = fake->dead;
    op->number = ++fake->total;
    fake->count[kind]++;
    fake->pending++;
    *fake->last = op;
    fake->last = &op->next;
    if (op->ghost)
        return op;
    if (is_device_operation(kind)) {
        if (device->busy)
            fake_complain(fake, "%s started while another operation of the device is under way",
                          fake_operation_name(kind));
        device->busy = true;
    } else if (kind != FAKE_OPEN && !function->open) {
        fake_complain(fake, "%s on a function that is not open", fake_operation_name(kind));
    } else if (is_command(kind) && function->suspended) {
        fake_complain(fake, "%s on a function that is suspended", fake_operation_name(kind));
    }
    return op;
}

/* ---- results ---- */

static void answer(struct fake_op *op, struct hw_result *result)
{
    static uint8_t data[HW_DATA_BYTES];
    struct hw_secondary secondaries[FAKE_FUNCTIONS_MAX];
    struct hw_function_place place;
    struct hw_function_info info;
    struct hw_verdict verdict;
    struct hw_nodes nodes;

    switch (op->kind) {
    case FAKE_PROBE: result->device_info = &op->device->info; break;
    case FAKE_LIST:
        result->secondaries.count = fake_list_secondaries(op->device, secondaries);
        result->secondaries.list = secondaries;
        break;
    case FAKE_BIND:
        place = (struct hw_function_place){.iommu_group = (int)op->function->index,
                                           .viable = op->function->viable};
        snprintf(place.address, sizeof(place.address), "0000:%02x:00.%u", (op->device->index + 1) & 0xff,
                 (op->function->index + 1) & 7);
        result->place = &place;
        break;
    case FAKE_ADOPT:
    case FAKE_OPEN:
    case FAKE_RENEW:
        info = fake_function_info(op->function);
        result->function.handle = op->function;
        result->function.info = &info;
        break;
    case FAKE_LEND:
        nodes = (struct hw_nodes){.count = 1};
        snprintf(nodes.paths[0], sizeof(nodes.paths[0]), "/dev/vfio/%u", op->function->index);
        result->nodes = &nodes;
        break;
    case FAKE_IDENTIFY_NAMESPACE: result->namespace_info = &op->device->info.namespaces[op->a - 1]; break;
    case FAKE_IDENTIFY:
        fake_list_namespaces(op->function, data);
        result->data = data;
        break;
    case FAKE_LOG:
        memset(data, 0x5a, sizeof(data));
        result->data = data;
        break;
    case FAKE_FEATURE: result->value = 7; break;
    case FAKE_EXAMINE:
        verdict = (struct hw_verdict){op->device->fake->confinement, "as the test says"};
        result->verdict = &verdict;
        break;
    case FAKE_CHANGE: result->value = op->device->info.namespace_count; break;
    default: break;
    }
    op->done(op->user, result);
}

/* A time-out leaves it open whether the operation took place: it did for even numbers. */
static int outcome(struct fake_op *op, int forced)
{
    const struct fake *fake = op->device->fake;
    int error = op->cancelled ? -ECANCELED : forced;

    if (op->kind == FAKE_ADOPT)
        op->function->orphan = error != 0;
    if (!error && fake->fail_at == op->number)
        error = fake->fail_error;
    if (!error && (fake->fail_kind & 1u << op->kind))
        error = fake->fail_kind_error;
    if (op->kind == FAKE_CLOSE)
        fake_apply(op);
    else if (!error)
        error = fake_apply(op);
    else if (error == -ETIMEDOUT && op->number % 2 == 0 && op->kind != FAKE_OPEN)
        fake_apply(op);
    return error;
}

static struct fake_op *pull(struct fake *fake, unsigned nth)
{
    struct fake_op **at = &fake->first, *op;

    while (*at && nth--)
        at = &(*at)->next;
    op = *at;
    if (!op)
        return NULL;
    *at = op->next;
    if (!op->next)
        fake->last = at;
    fake->pending--;
    fake->ended++;
    return op;
}

bool fake_step_with(struct fake *fake, unsigned nth, int error)
{
    struct fake_op *op = pull(fake, nth);
    struct hw_result result = {0};

    if (!op)
        return false;
    if (is_device_operation(op->kind))
        op->device->busy = false;
    if (op->kind == FAKE_WIPE)
        op->function->wiping = false;
    result.error = outcome(op, error);
    if (result.error) {
        snprintf(result.reason, sizeof(result.reason), "%s fails", fake_operation_name(op->kind));
        result.nvme_status = result.error == -EIO ? fake->fail_status : 0;
        op->done(op->user, &result);
    } else {
        answer(op, &result);
    }
    free(op);
    return true;
}

bool fake_step_nth(struct fake *fake, unsigned nth)
{
    return fake_step_with(fake, nth, 0);
}

bool fake_step(struct fake *fake)
{
    return fake_step_nth(fake, 0);
}

void fake_run(struct fake *fake)
{
    while (fake_step(fake))
        ;
}

static const struct fake_op *pending_op(const struct fake *fake, unsigned nth)
{
    const struct fake_op *op = fake->first;

    while (op && nth--)
        op = op->next;
    return op;
}

enum fake_operation fake_kind(const struct fake *fake, unsigned nth)
{
    const struct fake_op *op = pending_op(fake, nth);

    return op ? op->kind : FAKE_OPERATIONS;
}

const void *fake_user(const struct fake *fake, unsigned nth)
{
    const struct fake_op *op = pending_op(fake, nth);

    return op ? op->user : NULL;
}

/* ---- the interface ---- */

static int device_new(struct hw_backend *backend, const struct hw_device_selector *selector, void *user,
                      struct hw_device **ret_device)
{
    struct fake *fake = fake_of(backend);

    for (unsigned i = 0; i < FAKE_DEVICES_MAX; i++) {
        if (strcmp(fake->devices[i].info.serial, selector->serial) != 0)
            continue;
        fake->devices[i].made = true;
        fake->devices[i].user = user;
        *ret_device = &fake->devices[i];
        return 0;
    }
    return -ENODEV;
}

static void device_free(struct hw_device *device)
{
    unsigned nth = 0;

    if (!device)
        return;
    device->made = false;
    for (struct fake_op *op = device->fake->first; op;) {
        struct fake_op *next = op->next;
        if (op->device == device)
            free(pull(device->fake, nth));
        else
            nth++;
        op = next;
    }
}

static void probe(struct hw_device *device, hw_done done, void *user)
{
    push(device, NULL, FAKE_PROBE, done, user);
}

static void list(struct hw_device *device, hw_done done, void *user)
{
    push(device, NULL, FAKE_LIST, done, user);
}

static void set_function_count(struct hw_device *device, unsigned count, hw_done done, void *user)
{
    push(device, NULL, FAKE_COUNT, done, user)->a = count;
}

static void assign(struct hw_device *device, uint16_t controller_id, enum hw_resource_kind kind,
                   uint16_t count, hw_done done, void *user)
{
    struct fake_op *op = push(device, &device->functions[controller_id - 1], FAKE_ASSIGN, done, user);

    op->a = kind;
    op->b = count;
}

static void set_online(struct hw_device *device, uint16_t controller_id, bool online, hw_done done,
                       void *user)
{
    push(device, &device->functions[controller_id - 1], FAKE_ONLINE, done, user)->a = online;
}

static void bind_function(struct hw_device *device, unsigned index, hw_done done, void *user)
{
    push(device, &device->functions[index], FAKE_BIND, done, user);
}

static void unbind_function(struct hw_device *device, unsigned index, hw_done done, void *user)
{
    push(device, &device->functions[index], FAKE_UNBIND, done, user);
}

static void attach_namespace(struct hw_device *device, uint32_t id, uint16_t controller_id, bool attach,
                             hw_done done, void *user)
{
    struct fake_op *op = push(device, &device->functions[controller_id - 1], FAKE_ATTACH, done, user);

    op->a = id;
    op->b = attach;
}

static void change_namespace(struct hw_device *device, const struct hw_namespace_change *change, hw_done done,
                             void *user)
{
    device->change = *change;
    push(device, NULL, FAKE_CHANGE, done, user);
}

static void loan(struct hw_device *device, unsigned index, const struct hw_loan *loan,
                 enum fake_operation kind, hw_done done, void *user)
{
    device->functions[index].loan = *loan;
    device->functions[index].loan.namespaces = NULL;
    push(device, &device->functions[index], kind, done, user);
}

static void lend(struct hw_device *device, unsigned index, const struct hw_loan *terms, hw_done done,
                 void *user)
{
    loan(device, index, terms, FAKE_LEND, done, user);
}

static void withdraw(struct hw_device *device, unsigned index, const struct hw_loan *terms, hw_done done,
                     void *user)
{
    loan(device, index, terms, FAKE_WITHDRAW, done, user);
}

static void reclaim(struct hw_device *device, unsigned index, const struct hw_loan *terms, hw_done done,
                    void *user)
{
    loan(device, index, terms, FAKE_RECLAIM, done, user);
}

static void open_function(struct hw_device *device, unsigned index, void *listener_user, hw_done done,
                          void *user)
{
    push(device, &device->functions[index], FAKE_OPEN, done, user)->listener_user = listener_user;
}

/* "Descriptors" that say which function they keep open. */
static size_t kept_fds(struct hw_function *function, int fds[HW_KEPT_FDS_MAX])
{
    fds[0] = (int)function->device->index;
    fds[1] = (int)function->index;
    return 2;
}

static void adopt_function(struct hw_device *device, const int *fds, size_t fd_count, bool reset,
                           void *listener_user, hw_done done, void *user)
{
    struct fake_op *op;

    if (fd_count != 2 || fds[0] != (int)device->index)
        fake_complain(device->fake, "adopted from the wrong descriptors");
    op = push(device, &device->functions[fds[1]], FAKE_ADOPT, done, user);
    op->listener_user = listener_user;
    op->a = reset;
}

static void close_function(struct hw_function *function, hw_done done, void *user)
{
    for (const struct fake_op *op = function->device->fake->first; op; op = op->next) {
        if (op->function == function && !is_device_operation(op->kind))
            fake_complain(function->device->fake, "closed during %s", fake_operation_name(op->kind));
    }
    push(function->device, function, FAKE_CLOSE, done, user);
}

/* Ends what is under way with an error; nothing of it takes place. */
static void suspend_function(struct hw_function *function, const char *reason)
{
    (void)reason;
    if (!function->open)
        fake_complain(function->device->fake, "VF %u suspended that is not open", function->index);
    function->suspended = true;
    memset(function->forwarded, 0, sizeof(function->forwarded));
    memset(function->unknown, 0, sizeof(function->unknown));
    for (struct fake_op *op = function->device->fake->first; op; op = op->next) {
        if (op->function == function && is_command(op->kind))
            op->cancelled = true;
    }
}

static void renew_function(struct hw_function *function, hw_done done, void *user)
{
    push(function->device, function, FAKE_RENEW, done, user);
}

static int device_fd(struct hw_function *function)
{
    if (!function->open)
        fake_complain(function->device->fake, "device_fd of a function that is not open");
    return 100 + (int)function->index;
}

static int event_fd(struct hw_function *function, uint16_t vector)
{
    return 200 + 10 * (int)function->index + vector;
}

static void examine(struct hw_function *function, hw_done done, void *user)
{
    push(function->device, function, FAKE_EXAMINE, done, user);
}

static void map(struct hw_function *function, int memfd, uint64_t offset, uint64_t bytes, uint64_t iova,
                hw_done done, void *user)
{
    struct fake_op *op = push(function->device, function, FAKE_MAP, done, user);

    (void)memfd;
    (void)offset;
    op->a = iova;
    op->b = bytes;
}

static void unmap(struct hw_function *function, uint64_t iova, uint64_t bytes, bool perhaps, hw_done done,
                  void *user)
{
    struct fake_op *op = push(function->device, function, FAKE_UNMAP, done, user);

    op->a = iova;
    op->b = bytes;
    op->c = perhaps;
}

static void create_queue_pair(struct hw_function *function, const struct hw_queue_pair *pair, hw_done done,
                              void *user)
{
    push(function->device, function, FAKE_CREATE, done, user)->pair = *pair;
}

static void delete_queue_pair(struct hw_function *function, uint16_t id, hw_done done, void *user)
{
    push(function->device, function, FAKE_DELETE, done, user)->a = id;
}

static void identify_namespace(struct hw_function *function, uint32_t id, hw_done done, void *user)
{
    push(function->device, function, FAKE_IDENTIFY_NAMESPACE, done, user)->a = id;
}

static void identify(struct hw_function *function, uint8_t cns, uint32_t id, hw_done done, void *user)
{
    struct fake_op *op = push(function->device, function, FAKE_IDENTIFY, done, user);

    op->a = cns;
    op->b = id;
}

static void get_log_page(struct hw_function *function, uint8_t page, uint32_t id, uint32_t bytes,
                         hw_done done, void *user)
{
    struct fake_op *op = push(function->device, function, FAKE_LOG, done, user);

    op->a = page;
    op->b = id;
    op->c = bytes;
}

static void wipe(struct hw_function *function, const struct hw_namespace *info, uint64_t first,
                 uint32_t blocks, hw_done done, void *user)
{
    struct fake_op *op = push(function->device, function, FAKE_WIPE, done, user);

    op->a = info->id;
    op->b = first;
    op->c = blocks;
    if (function->wiping)
        fake_complain(function->device->fake, "VF %u has the queue pair of an earlier wipe", function->index);
    function->wiping = !op->ghost;
}

static void get_feature(struct hw_function *function, uint8_t feature, hw_done done, void *user)
{
    push(function->device, function, FAKE_FEATURE, done, user)->a = feature;
}

static void fake_free(struct hw_backend *backend)
{
    fake_fini(fake_of(backend));
}

/* ---- set-up ---- */

static void init_device(struct fake *fake, unsigned index)
{
    struct hw_device *device = &fake->devices[index];

    device->fake = fake;
    device->index = index;
    device->function_pairs = 3;
    device->function_interrupts = 1;
    device->range = (struct hw_iova_range){0x100000, UINT64_C(0xffffffffff)};
    device->info = (struct hw_device_info){
        .functions_total = 4,
        .virtualization_management = true,
        .namespace_management = true,
        .queues = {16, 4, 1},
        .interrupts = {8, 2, 1},
        .namespace_count = 3,
    };
    snprintf(device->info.serial, sizeof(device->info.serial), "serial%u", index);
    snprintf(device->info.address, sizeof(device->info.address), "0000:%02x:00.0", (index + 1) & 0xff);
    for (unsigned i = 0; i < FAKE_NAMESPACES_MAX; i++)
        device->info.namespaces[i] =
            (struct hw_namespace){.id = i + 1, .block_bytes = 512, .blocks = 1 << 20, .shareable = true};
    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
        device->functions[i].device = device;
        device->functions[i].index = i;
        device->functions[i].viable = true;
    }
}

void fake_init(struct fake *fake, unsigned device_count)
{
    *fake = (struct fake){.backend = {
                              .name = "fake",
                              .device_new = device_new,
                              .device_free = device_free,
                              .probe = probe,
                              .list_secondaries = list,
                              .set_function_count = set_function_count,
                              .assign = assign,
                              .set_online = set_online,
                              .bind = bind_function,
                              .unbind = unbind_function,
                              .attach_namespace = attach_namespace,
                              .change_namespace = change_namespace,
                              .lend = lend,
                              .withdraw = withdraw,
                              .reclaim = reclaim,
                              .open = open_function,
                              .kept_fds = kept_fds,
                              .adopt = adopt_function,
                              .close = close_function,
                              .suspend = suspend_function,
                              .renew = renew_function,
                              .device_fd = device_fd,
                              .event_fd = event_fd,
                              .examine = examine,
                              .discard = fake_discard,
                              .settled = fake_settled,
                              .wipe = wipe,
                              .page_new = fake_page_new,
                              .page_adopt = fake_page_adopt,
                              .queue_adopt = fake_queue_adopt,
                              .page_free = fake_page_free,
                              .page_info = fake_page_info,
                              .page_queue = fake_page_queue,
                              .map = map,
                              .unmap = unmap,
                              .create_queue_pair = create_queue_pair,
                              .delete_queue_pair = delete_queue_pair,
                              .identify_namespace = identify_namespace,
                              .identify = identify,
                              .get_log_page = get_log_page,
                              .get_feature = get_feature,
                              .free = fake_free,
                          }};
    fake->last = &fake->first;
    for (unsigned i = 0; i < device_count; i++)
        init_device(fake, i);
}

void fake_close_unkept(struct fake *fake, const struct hw_function *only)
{
    for (unsigned i = 0; i < FAKE_DEVICES_MAX; i++) {
        for (unsigned n = 0; n < FAKE_FUNCTIONS_MAX; n++) {
            struct hw_function *function = &fake->devices[i].functions[n];
            if (only && function != only)
                continue;
            function->listener_user = NULL;
            function->orphan = function->suspended = false;
            for (unsigned id = 0; id < FAKE_PAIRS_MAX; id++)
                function->pairs[id].page = NULL;
            if (function->open && !function->kept)
                fake_do_close(function);
        }
    }
}

void fake_die(struct fake *fake, bool (*happens)(void))
{
    struct fake_op *op;

    while ((op = pull(fake, 0))) {
        if (!op->ghost && happens() && op->kind != FAKE_OPEN && op->kind != FAKE_ADOPT)
            fake_apply(op);
        op->device->busy = false;
        free(op);
    }
    fake_close_unkept(fake, NULL);
}

void fake_fini(struct fake *fake)
{
    while (fake->first)
        free(pull(fake, 0));
}
