/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_backend.h"
#include "tests/unit/fake_namespaces.h"

struct fake_op {
    struct fake_op *next;
    enum fake_operation kind;
    struct hw_device *device;
    struct hw_function *function;
    hw_done done;
    void *user;
    unsigned number;
    uint64_t a, b, c;
    bool ghost; /* started by a homid that is dead */
    struct hw_queue_pair pair;
    void *listener_user;
};

static struct fake *fake_of(struct hw_backend *backend)
{
    return (struct fake *)backend;
}

__attribute__((format(printf, 2, 3))) static void complain(struct fake *fake, const char *format, ...)
{
    va_list arguments;

    if (fake->complaint[0])
        return;
    va_start(arguments, format);
    vsnprintf(fake->complaint, sizeof(fake->complaint), format, arguments);
    va_end(arguments);
}

static bool is_device_operation(enum fake_operation kind)
{
    return kind <= FAKE_RECLAIM;
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
            complain(fake, "%s started while another operation of the device is under way",
                     fake_operation_name(kind));
        device->busy = true;
    } else if (kind != FAKE_OPEN && !function->open) {
        complain(fake, "%s on a function that is not open", fake_operation_name(kind));
    }
    return op;
}

/* ---- what each operation does to the device; 0 or -errno ---- */

static int do_count(struct hw_device *device, unsigned count)
{
    if (count != device->info.functions_enabled && device->info.functions_enabled) {
        for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
            struct hw_function *function = &device->functions[i];
            if (function->held || function->open)
                complain(device->fake, "the number of VFs changed while VF %u was held", i);
            function->online = function->bound = false;
            if (device->info.virtualization_management)
                function->queues = function->interrupts = 0;
        }
    }
    device->info.functions_enabled = (uint16_t)count;
    return 0;
}

static int do_assign(struct hw_device *device, struct hw_function *function, enum hw_resource_kind kind,
                     unsigned count)
{
    const struct hw_resources *has = kind == HW_QUEUES ? &device->info.queues : &device->info.interrupts;
    unsigned used = count;

    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
        const struct hw_function *other = &device->functions[i];
        if (other != function)
            used += kind == HW_QUEUES ? other->queues : other->interrupts;
    }
    if (function->online || count > has->per_function || used > has->total)
        return -EIO;
    if (kind == HW_QUEUES)
        function->queues = (uint16_t)count;
    else
        function->interrupts = (uint16_t)count;
    return 0;
}

static int do_online(struct hw_device *device, struct hw_function *function, bool online)
{
    if (!online) {
        function->online = false;
        function->queues = function->interrupts = 0;
        return 0;
    }
    if (function->index >= device->info.functions_enabled || function->queues < 2 || function->interrupts < 1)
        return -EIO;
    function->online = true;
    return 0;
}

static int do_open(struct hw_function *function, void *listener_user)
{
    struct hw_device *device = function->device;
    bool there = function->index < device->info.functions_enabled && function->bound &&
                 (function->online || !device->info.virtualization_management) && !device->absent;

    if (function->open || function->on_loan)
        complain(device->fake, "VF %u opened twice, or while it was lent", function->index);
    if (function->held)
        return -EBUSY;
    if (!there)
        return -ENODEV;
    function->open = true;
    function->opens++;
    function->adopted = false;
    function->listener_user = listener_user;
    function->attached |= device->reattach;
    return 0;
}

static int do_adopt(struct hw_function *function, void *listener_user)
{
    if (!function->open)
        complain(function->device->fake, "VF %u adopted that is not open", function->index);
    function->listener_user = listener_user;
    function->adopted = true;
    return 0;
}

static void do_close(struct hw_function *function)
{
    function->open = false;
    memset(function->pairs, 0, sizeof(function->pairs));
    for (unsigned i = 0; i < FAKE_PAGES_MAX; i++)
        function->pages[i].function = NULL;
    memset(function->forwarded, 0, sizeof(function->forwarded));
    memset(function->unknown, 0, sizeof(function->unknown));
    function->pair_count = function->mapping_count = function->page_count = 0;
}

static int do_map(struct hw_function *function, uint64_t iova, uint64_t bytes)
{
    struct fake *fake = function->device->fake;
    const struct hw_iova_range *range = &function->device->range;

    if (iova < range->first || iova + bytes - 1 > range->last || iova % 4096)
        complain(fake, "mapped at %#llx, outside of what may be used", (unsigned long long)iova);
    for (unsigned i = 0; i < function->mapping_count; i++) {
        const struct fake_mapping *other = &function->mappings[i];
        if (iova < other->iova + other->bytes && other->iova < iova + bytes)
            complain(fake, "mapped over another region at %#llx", (unsigned long long)iova);
    }
    if (function->mapping_count == FAKE_MAPPINGS_MAX)
        return -ENOSPC;
    function->mappings[function->mapping_count++] = (struct fake_mapping){iova, bytes};
    return 0;
}

static int do_unmap(struct hw_function *function, uint64_t iova, uint64_t bytes, bool perhaps)
{
    struct fake *fake = function->device->fake;

    for (unsigned id = 0; id < FAKE_PAIRS_MAX; id++) {
        const struct hw_queue_pair *pair = &function->pairs[id];
        if (pair->id && ((pair->submission_iova >= iova && pair->submission_iova < iova + bytes) ||
                         (pair->completion_iova >= iova && pair->completion_iova < iova + bytes)))
            complain(fake, "memory unmapped under live queue pair %u", id);
    }
    for (unsigned i = 0; i < function->mapping_count; i++) {
        if (function->mappings[i].iova == iova && function->mappings[i].bytes == bytes) {
            function->mappings[i] = function->mappings[--function->mapping_count];
            return 0;
        }
    }
    if (perhaps)
        return 0;
    complain(fake, "unmapped what was not mapped: %#llx", (unsigned long long)iova);
    return -EINVAL;
}

static int do_create(struct hw_function *function, const struct hw_queue_pair *pair)
{
    struct fake *fake = function->device->fake;

    if (pair->id == 0 || pair->id >= FAKE_PAIRS_MAX || function->pairs[pair->id].id)
        complain(fake, "queue pair %u made twice", pair->id);
    if (!fake_is_mapped(function, pair->submission_iova) || !fake_is_mapped(function, pair->completion_iova))
        complain(fake, "queue pair %u outside of mapped memory", pair->id);
    if (pair->page && pair->page->function != function)
        complain(fake, "queue pair %u behind a page of doorbells that is not there", pair->id);
    for (unsigned id = 1; id < FAKE_PAIRS_MAX; id++) {
        if (pair->vector && function->pairs[id].id && function->pairs[id].vector == pair->vector)
            complain(fake, "vector %u given twice", pair->vector);
    }
    if (function->unknown[pair->id])
        complain(fake, "queue pair %u made while the relay forwards to its predecessor", pair->id);
    function->pairs[pair->id] = *pair;
    function->forwarded[pair->id] = pair->page != NULL;
    function->pair_count++;
    return 0;
}

static int do_delete(struct hw_function *function, unsigned id)
{
    if (function->unknown[id])
        complain(function->device->fake, "queue pair %u deleted while the relay forwards to it", id);
    function->forwarded[id] = false;
    if (!function->pairs[id].id && function->adopted)
        return 0; /* as the backends have it: a queue that is not there is gone */
    if (!function->pairs[id].id) {
        complain(function->device->fake, "queue pair %u deleted that is not there", id);
        return -EIO;
    }
    function->pairs[id] = (struct hw_queue_pair){0};
    function->pair_count--;
    return 0;
}

static int do_lend(struct hw_function *function)
{
    if (function->open || function->on_loan)
        complain(function->device->fake, "VF %u lent while it was open or lent", function->index);
    if (!function->bound)
        return -ENODEV; /* it went meanwhile */
    function->on_loan = true;
    return 0;
}

/* The kernel's driver cannot let go of what is in use; the user's own is asked afterwards. */
static int do_withdraw(struct hw_function *function)
{
    return function->held && !function->loan.kill && function->loan.kind == HW_LOAN_KERNEL ? -EBUSY : 0;
}

static int do_reclaim(struct hw_function *function)
{
    if (function->loan.kill)
        function->held = false;
    if (function->held)
        return -EBUSY;
    function->on_loan = false;
    return 0;
}

static int apply(struct fake_op *op)
{
    switch (op->kind) {
    case FAKE_PROBE: return op->device->absent ? -ENODEV : 0;
    case FAKE_COUNT: return do_count(op->device, (unsigned)op->a);
    case FAKE_ASSIGN:
        return do_assign(op->device, op->function, (enum hw_resource_kind)op->a, (unsigned)op->b);
    case FAKE_ONLINE: return do_online(op->device, op->function, op->a != 0);
    case FAKE_BIND: op->function->bound = true; return 0;
    case FAKE_UNBIND:
        if (op->function->held)
            complain(op->device->fake, "VF %u unbound while it was held", op->function->index);
        op->function->bound = false;
        return 0;
    case FAKE_ATTACH: return fake_attach(op->device, op->function, (uint32_t)op->a, op->b != 0);
    case FAKE_CHANGE: return fake_change(op->device);
    case FAKE_LEND: return do_lend(op->function);
    case FAKE_WITHDRAW: return do_withdraw(op->function);
    case FAKE_RECLAIM: return do_reclaim(op->function);
    case FAKE_OPEN: return do_open(op->function, op->listener_user);
    case FAKE_ADOPT: return do_adopt(op->function, op->listener_user);
    case FAKE_CLOSE: do_close(op->function); return 0;
    case FAKE_MAP: return do_map(op->function, op->a, op->b);
    case FAKE_UNMAP: return do_unmap(op->function, op->a, op->b, op->c != 0);
    case FAKE_CREATE: return do_create(op->function, &op->pair);
    case FAKE_DELETE: return do_delete(op->function, (unsigned)op->a);
    case FAKE_IDENTIFY_NAMESPACE: return op->function->attached & 1u << (op->a - 1) ? 0 : -ENOENT;
    default: return 0;
    }
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
    int error = forced;

    if (op->kind == FAKE_ADOPT)
        op->function->orphan = error != 0;
    if (!error && fake->fail_at == op->number)
        error = fake->fail_error;
    if (!error && (fake->fail_kind & 1u << op->kind))
        error = fake->fail_kind_error;
    if (op->kind == FAKE_CLOSE)
        apply(op);
    else if (!error)
        error = apply(op);
    else if (error == -ETIMEDOUT && op->number % 2 == 0 && op->kind != FAKE_OPEN)
        apply(op);
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

static void adopt_function(struct hw_device *device, const int *fds, size_t fd_count, void *listener_user,
                           hw_done done, void *user)
{
    if (fd_count != 2 || fds[0] != (int)device->index)
        complain(device->fake, "adopted from the wrong descriptors");
    push(device, &device->functions[fds[1]], FAKE_ADOPT, done, user)->listener_user = listener_user;
}

static void close_function(struct hw_function *function, hw_done done, void *user)
{
    for (const struct fake_op *op = function->device->fake->first; op; op = op->next) {
        if (op->function == function && !is_device_operation(op->kind))
            complain(function->device->fake, "closed during %s", fake_operation_name(op->kind));
    }
    push(function->device, function, FAKE_CLOSE, done, user);
}

static int device_fd(struct hw_function *function)
{
    if (!function->open)
        complain(function->device->fake, "device_fd of a function that is not open");
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
                              .device_fd = device_fd,
                              .event_fd = event_fd,
                              .examine = examine,
                              .discard = fake_discard,
                              .settled = fake_settled,
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
            function->orphan = false;
            for (unsigned id = 0; id < FAKE_PAIRS_MAX; id++)
                function->pairs[id].page = NULL;
            if (function->open && !function->kept)
                do_close(function);
        }
    }
}

void fake_die(struct fake *fake, bool (*happens)(void))
{
    struct fake_op *op;

    while ((op = pull(fake, 0))) {
        if (!op->ghost && happens() && op->kind != FAKE_OPEN && op->kind != FAKE_ADOPT)
            apply(op);
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
