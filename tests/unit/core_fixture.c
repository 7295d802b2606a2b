/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static uid_t blue_uids[] = {BLUE, BOTH}, green_uids[] = {GREEN, BOTH}, grey_uids[] = {GREY};
static size_t all_devices[] = {0, 1};
static struct core_namespace_config blue_namespaces[] = {
    {0, 1, false, false}, {0, 3, true, false}, {1, 1, false, false}};
static struct core_namespace_config green_namespaces[] = {
    {0, 2, false, false}, {0, 3, true, false}, {1, 2, false, false}};

static void tenant(struct core_tenant_config *tenant, const char *name, uid_t *uids, size_t uid_count,
                   struct core_namespace_config *namespaces, size_t namespace_count, unsigned device_count)
{
    *tenant = (struct core_tenant_config){
        .name = strdup(name),
        .trusted = true,
        .direct = true,
        .uids = uids,
        .uid_count = uid_count,
        .devices = all_devices,
        .device_count = device_count,
        .functions_max = 8,
        .queue_pairs_max = 12,
        .connections_max = 8,
        .regions_max = 16,
        .waiting_max = 4,
        .memory_bytes_max = 64 << 20,
    };
    /* With one device, what is configured for the second falls away. */
    tenant->namespaces = namespaces;
    tenant->namespace_count = device_count == 1 && namespace_count ? namespace_count - 1 : namespace_count;
}

void fixture_init(struct fixture *fixture, unsigned device_count)
{
    memset(fixture, 0, sizeof(*fixture));
    fake_init(&fixture->fake, FIXTURE_DEVICES);
    fixture->now = 1000;
    fixture->timer_at = UINT64_MAX;
    for (unsigned i = 0; i < device_count; i++) {
        char text[32];
        snprintf(text, sizeof(text), "ssd%u", i);
        fixture->devices[i].name = strdup(text);
        snprintf(text, sizeof(text), "serial%u", i);
        fixture->devices[i].serial = strdup(text);
        fixture->devices[i].functions = 4;
        fixture->devices[i].queue_pairs = 3;
    }
    tenant(&fixture->tenants[0], "blue", blue_uids, 2, blue_namespaces, 3, device_count);
    tenant(&fixture->tenants[1], "green", green_uids, 2, green_namespaces, 3, device_count);
    tenant(&fixture->tenants[2], "grey", grey_uids, 1, NULL, 0, device_count);
    fixture->tenants[1].trusted = fixture->tenants[1].direct = false;
    fixture->tenants[2].trusted = false;
    fixture->config = (struct core_config){
        .devices = fixture->devices,
        .device_count = device_count,
        .tenants = fixture->tenants,
        .tenant_count = 3,
        .retry_seconds = 5,
        .wait_milliseconds_max = 60000,
    };
}

void fixture_fini(struct fixture *fixture)
{
    core_free(fixture->core);
    fake_fini(&fixture->fake);
    for (unsigned i = 0; i < fixture->config.device_count; i++) {
        free(fixture->devices[i].name);
        free(fixture->devices[i].serial);
    }
    for (unsigned i = 0; i < 3; i++)
        free(fixture->tenants[i].name);
}

/* ---- the listener ---- */

static uint64_t on_now(void *user)
{
    return ((struct fixture *)user)->now;
}

static void on_timer(void *user, uint64_t at)
{
    ((struct fixture *)user)->timer_at = at;
}

static void on_event(void *user, const struct core_event *event)
{
    struct fixture *fixture = user;
    struct core_client *gone = fixture->gone_on_event;

    fixture->events[event->kind]++;
    snprintf(fixture->last_text, sizeof(fixture->last_text), "%s", event->text ? event->text : "");
    fixture->gone_on_event = NULL;
    if (fixture->watch)
        fixture->watch(fixture->watch_user, event);
    core_client_gone(gone);
}

static void on_changed(void *user)
{
    (void)user;
}

static int on_keep(void *user, const char *lease, struct core_keeper *keeper)
{
    struct fixture *fixture = user;

    (void)lease;
    if (keeper->pid == NOBODY)
        return -ESRCH;
    fixture->kept++;
    return 0;
}

static void on_forget_keeper(void *user, const char *lease)
{
    (void)lease;
    ((struct fixture *)user)->kept--;
}

/* ---- what outlives homid ---- */

static bool write_counts(struct fixture *fixture)
{
    struct fixture_keeper *keeper = &fixture->keeper;

    if (keeper->die_at && ++keeper->writes >= keeper->die_at)
        fixture->fake.dead = true;
    return !fixture->fake.dead;
}

static int keeper_add(void *user, uint16_t kind, const void *record, size_t bytes, uint32_t *ret_number)
{
    struct fixture *fixture = user;
    struct fixture_keeper *keeper = &fixture->keeper;
    uint32_t number = 0;

    ck_assert_uint_le(bytes, FIXTURE_BYTES_MAX);
    while (number < FIXTURE_RECORDS && keeper->records[number].kind)
        number++;
    ck_assert_uint_lt(number, FIXTURE_RECORDS);
    *ret_number = number;
    if (!write_counts(fixture))
        return 0;
    keeper->records[number] = (struct fixture_record){.kind = kind, .bytes = bytes};
    memcpy(keeper->records[number].data, record, bytes);
    return 0;
}

static void keeper_set(void *user, uint32_t number, const void *record, size_t bytes)
{
    struct fixture *fixture = user;

    if (!write_counts(fixture))
        return;
    ck_assert_uint_ne(fixture->keeper.records[number].kind, 0);
    memcpy(fixture->keeper.records[number].data, record, bytes);
}

/* The others are pages of doorbells. */
static bool keeps_function(const struct fixture_record *record)
{
    return record->fds[0] < FAKE_DEVICES_MAX;
}

static void keeper_remove(void *user, uint32_t number)
{
    struct fixture *fixture = user;

    if (!write_counts(fixture))
        return;
    ck_assert_uint_ne(fixture->keeper.records[number].kind, 0);
    const struct fixture_record *kept = &fixture->keeper.records[number];
    ck_assert(fixture->keeper.reading || !kept->kept || keeps_function(kept));
    fixture->keeper.records[number].kind = 0;
}

static struct hw_function *function_of(struct fixture *fixture, const int *fds)
{
    return &fixture->fake.devices[fds[0]].functions[fds[1]];
}

static int keeper_keep(void *user, uint32_t number, const int *fds, size_t count)
{
    struct fixture *fixture = user;
    struct fixture_record *record = &fixture->keeper.records[number];

    if (!write_counts(fixture))
        return 0;
    ck_assert_uint_eq(record->kept, 0);
    memcpy(record->fds, fds, count * sizeof(*fds));
    record->kept = count;
    if (keeps_function(record))
        function_of(fixture, fds)->kept = true;
    return 0;
}

static bool keeper_take(void *user, uint32_t number, int *ret_fds, size_t count)
{
    struct fixture_record *record = &((struct fixture *)user)->keeper.records[number];

    if (record->kept != count)
        return false;
    memcpy(ret_fds, record->fds, count * sizeof(*ret_fds));
    record->taken = true;
    return true;
}

static void keeper_let_go(void *user, uint32_t number, size_t count, void (*done)(void *), void *done_user)
{
    struct fixture *fixture = user;
    struct fixture_keeper *keeper = &fixture->keeper;

    if (!write_counts(fixture))
        return;
    ck_assert_uint_eq(keeper->records[number].kept, count);
    keeper->records[number].kept = 0;
    if (keeps_function(&keeper->records[number])) {
        struct hw_function *function = function_of(fixture, keeper->records[number].fds);
        function->kept = false;
        if (function->orphan)
            fake_close_unkept(&fixture->fake, function);
    }
    ck_assert_uint_lt(keeper->let_go_count, 64);
    keeper->let_go[keeper->let_go_count].done = done;
    keeper->let_go[keeper->let_go_count++].user = done_user;
}

static void keeper_begun(void *user, uint32_t connection)
{
    struct fixture *fixture = user;

    if (write_counts(fixture))
        fixture->keeper.begun = connection;
}

static void keeper_numbered(void *user, uint64_t number)
{
    ((struct fixture *)user)->keeper.lease_number = number;
}

bool fixture_let_go(struct fixture *fixture)
{
    struct fixture_keeper *keeper = &fixture->keeper;

    if (!keeper->let_go_count)
        return false;
    keeper->let_go_count--;
    keeper->let_go[keeper->let_go_count].done(keeper->let_go[keeper->let_go_count].user);
    return true;
}

unsigned fixture_records(const struct fixture *fixture, uint16_t kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < FIXTURE_RECORDS; i++)
        count += fixture->keeper.records[i].kind == kind;
    return count;
}

void fixture_die(struct fixture *fixture, bool (*happens)(void))
{
    fixture->fake.dead = true;
    fake_die(&fixture->fake, happens);
    fixture->fake.dead = true; /* what it frees does not go from the records */
    core_free(fixture->core);
    fake_die(&fixture->fake, happens);
    fake_age_pages(&fixture->fake);
    fixture->fake.dead = false;
    fixture->core = NULL;
    fixture->timer_at = UINT64_MAX;
    fixture->keeper.let_go_count = 0;
    fixture->keeper.die_at = fixture->keeper.writes = 0;
    fixture_new(fixture);
}

void fixture_restore(struct fixture *fixture)
{
    fixture->keeper.reading = true;
    core_restore_begin(fixture->core, fixture->keeper.lease_number);
    for (uint16_t kind = 1; kind < CORE_RECORD_KINDS; kind++) {
        for (uint32_t i = 0; i < FIXTURE_RECORDS; i++) {
            const struct fixture_record record = fixture->keeper.records[i];
            if (record.kind == kind)
                core_restore_record(fixture->core, i, kind, record.data, record.bytes);
        }
    }
    for (uint32_t i = 0; i < FIXTURE_RECORDS; i++) {
        struct fixture_record *record = &fixture->keeper.records[i];
        /* Descriptors that nobody takes are closed before anything is begun. */
        if (record->kept && !record->taken) {
            if (keeps_function(record))
                function_of(fixture, record->fds)->kept = false;
            record->kept = 0;
        }
        record->taken = false;
    }
    fixture->keeper.reading = false;
    fake_close_unkept(&fixture->fake, NULL);
    core_restore_end(fixture->core);
    core_start(fixture->core);
}

/* The client's user is the fixture here, so only how many there were is known. */
static void on_expel(void *user, void *client_user, bool kill)
{
    struct fixture *fixture = user;

    ck_assert_ptr_eq(client_user, fixture);
    fixture->expelled++;
    fixture->killed += kill;
}

void fixture_new(struct fixture *fixture)
{
    struct core_listener listener = {.now = on_now,
                                     .timer = on_timer,
                                     .event = on_event,
                                     .keep = on_keep,
                                     .forget_keeper = on_forget_keeper,
                                     .changed = on_changed,
                                     .expel = on_expel,
                                     .user = fixture,
                                     .archive = fixture->keeps ? &fixture->core_archive : NULL};

    fixture->core_archive = (struct core_archive){.add = keeper_add,
                                                  .set = keeper_set,
                                                  .remove = keeper_remove,
                                                  .keep = keeper_keep,
                                                  .take = keeper_take,
                                                  .let_go = keeper_let_go,
                                                  .begun = keeper_begun,
                                                  .lease_numbered = keeper_numbered,
                                                  .user = fixture};
    ck_assert_int_eq(core_new(&fixture->config, &fixture->fake.backend, &listener, &fixture->core), 0);
}

bool fixture_step(struct fixture *fixture)
{
    return fixture_let_go(fixture) || fake_step(&fixture->fake);
}

void fixture_run(struct fixture *fixture)
{
    while (fixture_step(fixture))
        ;
}

void fixture_start(struct fixture *fixture)
{
    fixture_new(fixture);
    core_start(fixture->core);
    fixture_settle(fixture);
}

void fixture_advance(struct fixture *fixture, uint64_t milliseconds)
{
    uint64_t until = fixture->now + milliseconds;

    while (fixture->timer_at <= until) {
        if (fixture->timer_at > fixture->now)
            fixture->now = fixture->timer_at;
        fixture->timer_at = UINT64_MAX;
        core_tick(fixture->core);
        fixture_run(fixture);
    }
    fixture->now = until;
}

void fixture_settle(struct fixture *fixture)
{
    fixture_run(fixture);
    if (fixture->timer_at != UINT64_MAX)
        fixture_advance(fixture, 60000);
}

/* ---- calls ---- */

struct core_client *fixture_client(struct fixture *fixture, uid_t uid)
{
    return fixture_client_at(fixture, uid, 0);
}

struct core_client *fixture_client_at(struct fixture *fixture, uid_t uid, uint32_t connection)
{
    struct core_peer peer = {.pid = (pid_t)uid + 1, .uid = uid, .gid = uid, .connection = connection};
    struct core_client *client;

    ck_assert_int_eq(core_client_new(fixture->core, &peer, fixture, &client), 0);
    return client;
}

void on_plain(void *user, const struct core_error *error)
{
    struct answer *answer = user;

    answer->count++;
    answer->error = *error;
}

void on_recover(void *user, const struct core_error *error, const struct core_pair_name *pairs, size_t count)
{
    (void)pairs;
    (void)count;
    on_plain(user, error);
}

void on_attach(void *user, const struct core_error *error, const struct core_grant *grant)
{
    struct answer *answer = user;

    on_plain(user, error);
    if (error->code)
        return;
    snprintf(answer->lease, sizeof(answer->lease), "%s", grant->lease);
    answer->function_count = grant->function_count;
    for (size_t i = 0; i < grant->function_count; i++)
        snprintf(answer->functions[i], CORE_NAME_BYTES, "%s", grant->functions[i].name);
    answer->namespace_count = grant->functions[0].namespace_count;
    answer->queue_pairs = grant->functions[0].queue_pairs;
    answer->device_fd = grant->functions[0].device_fd;
    if (grant->functions[0].nodes)
        memcpy(answer->node, grant->functions[0].nodes->paths[0], sizeof(answer->node));
    answer->relayed = grant->functions[0].relayed;
    answer->page_fd = grant->functions[0].page.fd;
}

void on_region(void *user, const struct core_error *error, uint32_t region, uint64_t iova)
{
    struct answer *answer = user;

    on_plain(user, error);
    answer->region = region;
    answer->iova = iova;
}

void on_queue(void *user, const struct core_error *error, const struct core_queue_grant *queue)
{
    struct answer *answer = user;

    on_plain(user, error);
    if (!queue)
        return;
    answer->queue = queue->id;
    answer->submission_doorbell = queue->submission_doorbell;
    answer->completion_doorbell = queue->completion_doorbell;
    answer->status = queue->status;
    answer->event_fd = queue->event_fd;
}

void on_data(void *user, const struct core_error *error, const uint8_t *data, uint32_t value)
{
    struct answer *answer = user;

    on_plain(user, error);
    answer->value = value;
    if (!error->code && data)
        answer->first_byte = data[0];
}

void attach(struct core_client *client, struct core_attach_request request, struct answer *ret_answer)
{
    memset(ret_answer, 0, sizeof(*ret_answer));
    core_attach(client, &request, on_attach, ret_answer);
}

void register_memory(struct core_client *client, const struct answer *lease, uint64_t bytes,
                     struct answer *ret_answer)
{
    memset(ret_answer, 0, sizeof(*ret_answer));
    core_register_memory(client, lease->lease, 7, 0, bytes, 4096, on_region, ret_answer);
}

void create_pair(struct core_client *client, const struct answer *lease, const struct answer *region,
                 unsigned slot, bool interrupt, struct answer *ret_answer)
{
    struct core_queue_request request = {
        .lease = lease->lease,
        .function = lease->functions[0],
        .entries = 64,
        .region = region->region,
        .submission_offset = slot * 16384,
        .completion_offset = slot * 16384 + 8192,
        .interrupt = interrupt,
    };

    memset(ret_answer, 0, sizeof(*ret_answer));
    core_create_queue_pair(client, &request, on_queue, ret_answer);
}

void attach_now(struct fixture *fixture, struct core_client *client, struct core_attach_request request,
                struct answer *ret_answer)
{
    attach(client, request, ret_answer);
    fixture_run(fixture);
    ck_assert_uint_eq(ret_answer->count, 1);
}

void check_refused(const struct answer *answer, int code)
{
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_int_eq(answer->error.code, code);
}

void check_granted(const struct answer *answer)
{
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_msg(answer->error.code == 0, "refused with %d %s %s", answer->error.code, answer->error.name,
                  answer->error.text);
}

void end_with(struct fixture *fixture, struct core_client *client)
{
    core_client_gone(client);
    fixture_settle(fixture);
    check_clean(fixture);
}

/* ---- views ---- */

struct search {
    const char *device;
    unsigned index, count;
    const char *state, *wanted;
    char reason[HW_REASON_BYTES];
};

static char reason_text[HW_REASON_BYTES];

static void match_function(void *user, const struct core_function_view *view)
{
    struct search *search = user;

    if (search->wanted && strcmp(view->state, search->wanted) == 0)
        search->count++;
    if (!search->device || strcmp(view->device, search->device) != 0 || view->index != search->index)
        return;
    search->state = view->state;
    snprintf(search->reason, sizeof(search->reason), "%s", view->reason ? view->reason : "");
}

const char *function_state(struct fixture *fixture, unsigned device, unsigned index)
{
    struct search search = {.device = fixture->devices[device].name, .index = index};

    core_each_function(fixture->core, match_function, &search);
    return search.state;
}

const char *function_reason(struct fixture *fixture, unsigned device, unsigned index)
{
    struct search search = {.device = fixture->devices[device].name, .index = index};

    core_each_function(fixture->core, match_function, &search);
    memcpy(reason_text, search.reason, sizeof(reason_text));
    return reason_text;
}

unsigned functions_in(struct fixture *fixture, const char *state)
{
    struct search search = {.wanted = state};

    core_each_function(fixture->core, match_function, &search);
    return search.count;
}

static void match_device(void *user, const struct core_device_view *view)
{
    struct search *search = user;

    if (strcmp(view->config->name, search->device) != 0)
        return;
    search->state = view->state;
    snprintf(search->reason, sizeof(search->reason), "%s", view->reason ? view->reason : "");
}

const char *device_state_of(struct fixture *fixture, unsigned device)
{
    struct search search = {.device = fixture->devices[device].name};

    core_each_device(fixture->core, match_device, &search);
    return search.state;
}

const char *device_reason_of(struct fixture *fixture, unsigned device)
{
    struct search search = {.device = fixture->devices[device].name};

    core_each_device(fixture->core, match_device, &search);
    memcpy(reason_text, search.reason, sizeof(reason_text));
    return reason_text;
}

static void count_lease(void *user, const struct core_lease_view *view)
{
    (void)view;
    ++*(unsigned *)user;
}

unsigned lease_count(struct fixture *fixture)
{
    unsigned count = 0;

    core_each_lease(fixture->core, count_lease, &count);
    return count;
}

/* ---- invariants ---- */

struct ownership {
    const char *tenant[FIXTURE_DEVICES][FAKE_FUNCTIONS_MAX];
    unsigned device_count;
    struct fixture *fixture;
};

static void note_owner(void *user, const struct core_function_view *view)
{
    struct ownership *ownership = user;

    for (unsigned i = 0; i < ownership->device_count; i++) {
        if (strcmp(view->device, ownership->fixture->devices[i].name) == 0)
            ownership->tenant[i][view->index] = view->tenant;
    }
}

static void check_namespace(const struct ownership *ownership, unsigned device, unsigned id)
{
    const struct hw_device *hw = &ownership->fixture->fake.devices[device];
    const char *owner = NULL;

    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
        const char *tenant_name = ownership->tenant[device][i];
        if (!(hw->functions[i].attached & 1u << (id - 1)) || !tenant_name)
            continue;
        if (owner)
            require(strcmp(owner, tenant_name) == 0, "namespace %u is attached for %s and %s", id, owner,
                    tenant_name);
        owner = tenant_name;
    }
}

static void check_lease(void *user, const struct core_lease_view *view)
{
    (void)user;
    require(view->queue_pairs_used <= view->queue_pairs, "%s has more queue pairs than it may", view->name);
    require(view->holder_count <= 64, "%s has %zu holders", view->name, view->holder_count);
}

static void check_tenant(void *user, const struct core_tenant_view *view)
{
    (void)user;
    require(view->functions <= view->config->functions_max &&
                view->queue_pairs <= view->config->queue_pairs_max &&
                view->connections <= view->config->connections_max &&
                view->regions <= view->config->regions_max && view->waiting <= view->config->waiting_max &&
                view->memory_bytes <= view->config->memory_bytes_max,
            "tenant %s is over a quota", view->config->name);
}

void check_invariants(struct fixture *fixture)
{
    struct ownership ownership = {.device_count = (unsigned)fixture->config.device_count, .fixture = fixture};

    require(!fixture->fake.complaint[0], "%s", fixture->fake.complaint);
    core_each_function(fixture->core, note_owner, &ownership);
    for (unsigned i = 0; i < ownership.device_count; i++) {
        check_namespace(&ownership, i, 1);
        check_namespace(&ownership, i, 2);
    }
    core_each_lease(fixture->core, check_lease, fixture);
    core_each_tenant(fixture->core, check_tenant, fixture);
}

static void check_nothing_used(void *user, const struct core_tenant_view *view)
{
    (void)user;
    ck_assert_uint_eq(view->functions, 0);
    ck_assert_uint_eq(view->queue_pairs, 0);
    ck_assert_uint_eq(view->connections, 0);
    ck_assert_uint_eq(view->regions, 0);
    ck_assert_uint_eq(view->waiting, 0);
    ck_assert_uint_eq(view->memory_bytes, 0);
}

struct device_of {
    const char *name;
    bool out;
};

static void match_out(void *user, const struct core_device_view *view)
{
    struct device_of *device = user;

    if (strcmp(view->config->name, device->name) == 0)
        device->out = strcmp(view->state, "ready") != 0 && view->reason;
}

static void check_named(void *user, const struct core_function_view *view)
{
    struct fixture *fixture = user;
    struct device_of device = {.name = view->device};

    ck_assert_ptr_null(view->lease);
    if (strcmp(view->state, "ready") == 0)
        return;
    if (strcmp(view->state, "quarantined") == 0) {
        ck_assert_msg(view->reason != NULL, "%s is quarantined without a reason", view->name);
        return;
    }
    /* Where the whole device is out, for a reason that it names, its functions never got further. */
    core_each_device(fixture->core, match_out, &device);
    ck_assert_msg(device.out, "%s ended in state %s", view->name, view->state);
    ck_assert_msg(strcmp(view->state, "draining") && strcmp(view->state, "leased"), "%s ended in state %s",
                  view->name, view->state);
}

void check_clean(struct fixture *fixture)
{
    struct fake_totals totals = fake_totals(&fixture->fake);
    struct core_totals core_says = core_totals(fixture->core);

    check_invariants(fixture);
    core_each_tenant(fixture->core, check_nothing_used, NULL);
    ck_assert_uint_eq(lease_count(fixture), 0);
    ck_assert_uint_eq(core_says.leases, 0);
    ck_assert_uint_eq(core_says.queue_pairs, 0);
    ck_assert_uint_eq(core_says.connections, 0);
    ck_assert_uint_eq(core_says.memory_bytes, 0);
    ck_assert_uint_eq(totals.pairs, 0);
    ck_assert_uint_eq(totals.mappings, 0);
    ck_assert_uint_eq(totals.pages, 0);
    ck_assert_uint_eq(fixture->fake.pending, 0);
    core_each_function(fixture->core, check_named, fixture);
}
