/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/conformance/rig.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/model/process.h"
#include "daemon/model/spec.h"

enum {
    WAIT_MILLISECONDS = 90000, /* longer than the backend waits */
    COMMAND_MILLISECONDS = 5000,
    DOORBELLS = 0x1000,
};

uint64_t rig_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void need(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "rig: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- the model ---- */

static void start_model(struct rig *rig, const char *spec, struct sockaddr_un *address)
{
    snprintf(rig->directory, sizeof(rig->directory), "/tmp/homi-rig-XXXXXX");
    need(mkdtemp(rig->directory) != NULL, "mkdtemp");
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "%s/model.sock", rig->directory);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    need(listener >= 0 && bind(listener, (struct sockaddr *)address, sizeof(*address)) == 0 &&
             listen(listener, 16) == 0,
         "socket of the model");
    rig->model = fork();
    need(rig->model >= 0, "fork");
    if (rig->model == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(model_main(listener, spec));
    }
    close(listener);
}

static uint64_t spec_digest(const char *text)
{
    struct model_spec *spec = NULL;
    struct spec_error error;

    need(spec_parse(text, &spec, &error) == 0, error.text);
    uint64_t digest = spec->digest;
    spec_free(spec);
    return digest;
}

/* ---- operations ---- */

static void note(struct rig *rig, enum hw_event event, const char *text)
{
    rig->last_event = event;
    rig->told |= 1u << event;
    rig->events++;
    snprintf(rig->last_text, sizeof(rig->last_text), "%s", text ? text : "");
}

static void device_event(void *user, struct hw_device *device, enum hw_event event, const char *text)
{
    (void)device;
    note(user, event, text);
}

static void function_event(void *user, struct hw_function *function, enum hw_event event, const char *text)
{
    (void)function;
    note(user, event, text);
}

/* Keeps what the pointers of a result point to: which of them it is, the caller knows. */
void rig_done(void *user, const struct hw_result *result)
{
    struct rig *rig = user;

    rig->done = true;
    rig->result = *result;
}

static void done_info(void *user, const struct hw_result *result)
{
    struct rig *rig = user;

    if (!result->error)
        rig->device_info = *result->device_info;
    rig_done(rig, result);
}

static void done_secondaries(void *user, const struct hw_result *result)
{
    struct rig *rig = user;

    rig->secondary_count = result->error ? 0 : result->secondaries.count;
    for (unsigned i = 0; i < rig->secondary_count; i++)
        rig->secondaries[i] = result->secondaries.list[i];
    rig_done(rig, result);
}

static void done_function(void *user, const struct hw_result *result)
{
    struct rig *rig = user;

    if (!result->error) {
        rig->function = result->function.handle;
        rig->info = *result->function.info;
    }
    rig_done(rig, result);
}

static void done_namespace(void *user, const struct hw_result *result)
{
    struct rig *rig = user;

    if (!result->error) {
        rig->block = result->namespace_info->block_bytes;
        rig->blocks = result->namespace_info->blocks;
    }
    rig_done(rig, result);
}

int rig_wait(struct rig *rig)
{
    uint64_t end = rig_now() + WAIT_MILLISECONDS;

    while (!rig->done) {
        need(rig_now() < end, "an operation does not end");
        rig_run(rig, 1);
    }
    rig->done = false;
    return rig->result.error;
}

void rig_run(struct rig *rig, unsigned milliseconds)
{
    const struct timeval pause = {.tv_usec = 1000};
    uint64_t end = rig_now() + milliseconds;

    do {
        event_base_loopexit(rig->base, &pause);
        event_base_loop(rig->base, EVLOOP_ONCE);
    } while (rig_now() < end);
}

void rig_forget(struct rig *rig)
{
    rig->events = rig->told = 0;
}

bool rig_event(struct rig *rig, enum hw_event event)
{
    uint64_t end = rig_now() + COMMAND_MILLISECONDS;

    /* Others may come with it, before or after. */
    while (!(rig->told & 1u << event)) {
        if (rig_now() >= end)
            return false;
        rig_run(rig, 1);
    }
    rig->told &= ~(1u << event);
    return true;
}

void rig_join(struct rig *rig, struct rig *other, const char *spec)
{
    static const struct hw_listener listener = {.device_event = device_event,
                                                .function_event = function_event};
    char path[128];

    snprintf(path, sizeof(path), "%s/model.sock", rig->directory);
    errno =
        -hw_model_new(other->base, "/nonexistent", path, spec, spec_digest(spec), &listener, &other->backend);
    need(errno == 0, "backend");
}

static struct rig *rig_begin(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    need(rig != NULL, "memory");
    rig->patience = COMMAND_MILLISECONDS;
    rig->nsid = 1;
    rig->other_nsid = 2;
    rig->base = event_base_new();
    rig->memfd = memfd_create("rig", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    need(rig->base && rig->memfd >= 0 && ftruncate(rig->memfd, RIG_BYTES) == 0 &&
             fcntl(rig->memfd, F_ADD_SEALS, F_SEAL_SHRINK) == 0,
         "memory of the rig");
    rig->memory = mmap(NULL, RIG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, rig->memfd, 0);
    need(rig->memory != MAP_FAILED, "memory of the rig");
    return rig;
}

static void find_device(struct rig *rig, const char *serial, const char *address)
{
    const struct hw_device_selector selector = {.name = "rig", .serial = serial, .address = address};

    need(rig->backend->device_new(rig->backend, &selector, rig, &rig->device) == 0, "device");
}

struct rig *rig_new(const char *spec)
{
    struct rig *rig = rig_begin();
    struct sockaddr_un address;

    start_model(rig, spec, &address);
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
    rig_join(rig, rig, spec);
    find_device(rig, "RIG", NULL);
    return rig;
}

struct rig *rig_new_hardware(const char *serial, const char *address)
{
    static const struct hw_listener listener = {.device_event = device_event,
                                                .function_event = function_event};
    struct rig *rig = rig_begin();

    errno = -hw_linux_new(rig->base, "/proc/self/exe", &listener, &rig->backend);
    need(errno == 0, "backend");
    find_device(rig, serial, address);
    return rig;
}

static void end_model(struct rig *rig)
{
    if (rig->model > 0) {
        int status = 0;
        kill(rig->model, SIGTERM);
        waitpid(rig->model, &status, 0);
        need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the model's end");
    }
    rig_leave(rig);
}

void rig_leave(struct rig *rig)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/model.sock", rig->directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/model-control.sock", rig->directory);
    unlink(path);
    rmdir(rig->directory);
}

void rig_free(struct rig *rig)
{
    if (rig->bar)
        munmap((void *)(uintptr_t)rig->bar, rig->info.bar_bytes);
    rig->backend->device_free(rig->device);
    hw_backend_free(rig->backend);
    event_base_free(rig->base);
    munmap(rig->memory, RIG_BYTES);
    close(rig->memfd);
    if (*rig->directory)
        end_model(rig);
    free(rig);
}

static int assign(struct rig *rig, uint16_t id, enum hw_resource_kind kind, unsigned count)
{
    rig->backend->assign(rig->device, id, kind, (uint16_t)count, rig_done, rig);
    return rig_wait(rig);
}

/* Takes what somebody provisioned before down again. */
int rig_take_down(struct rig *rig)
{
    int r = rig_list(rig);

    for (unsigned i = 0; r == 0 && i < rig->secondary_count; i++) {
        if (!rig->secondaries[i].online && !rig->secondaries[i].queues && !rig->secondaries[i].interrupts)
            continue;
        rig->backend->set_online(rig->device, rig->secondaries[i].controller_id, false, rig_done, rig);
        r = rig_wait(rig);
    }
    return r;
}

static int set_count(struct rig *rig, unsigned functions)
{
    rig->backend->set_function_count(rig->device, functions, rig_done, rig);
    return rig_wait(rig);
}

int rig_probe(struct rig *rig)
{
    rig->backend->probe(rig->device, done_info, rig);
    return rig_wait(rig);
}

int rig_provision(struct rig *rig, unsigned functions, unsigned queues, unsigned interrupts)
{
    int r = rig_probe(rig);
    bool manages = r == 0 && rig->device_info.virtualization_management;

    if (manages)
        r = rig_take_down(rig);
    if (r == 0)
        r = set_count(rig, 0);
    for (unsigned i = 0; r == 0 && manages && i < functions; i++) {
        r = assign(rig, rig->secondaries[i].controller_id, HW_QUEUES, queues);
        if (r == 0)
            r = assign(rig, rig->secondaries[i].controller_id, HW_INTERRUPTS, interrupts);
    }
    if (r == 0)
        r = set_count(rig, functions);
    for (unsigned i = 0; r == 0 && i < functions; i++) {
        if (manages) {
            rig->backend->set_online(rig->device, rig->secondaries[i].controller_id, true, rig_done, rig);
            r = rig_wait(rig);
        }
        if (r == 0) {
            rig->backend->bind(rig->device, i, rig_done, rig);
            r = rig_wait(rig);
        }
    }
    rig->functions = functions;
    rig->queues = queues;
    rig->interrupts = interrupts;
    return r == 0 ? rig_list(rig) : r;
}

int rig_list(struct rig *rig)
{
    rig->backend->list_secondaries(rig->device, done_secondaries, rig);
    return rig_wait(rig);
}

int rig_attach(struct rig *rig, uint32_t namespace_id, uint16_t controller, bool attach)
{
    rig->backend->attach_namespace(rig->device, namespace_id, controller, attach, rig_done, rig);
    return rig_wait(rig);
}

int rig_open(struct rig *rig, unsigned index, uint32_t namespace_id)
{
    rig->backend->open(rig->device, index, rig, done_function, rig);
    int r = rig_wait(rig);
    if (r < 0)
        return r;
    rig->bar = mmap(NULL, rig->info.bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                    rig->backend->device_fd(rig->function), (off_t)rig->info.bar_offset);
    need(rig->bar != MAP_FAILED, "BAR");
    rig->backend->map(rig->function, rig->memfd, 0, RIG_BYTES, RIG_IOVA, rig_done, rig);
    r = rig_wait(rig);
    if (r == 0 && namespace_id)
        r = rig_attach(rig, namespace_id, rig->info.controller_id, true);
    if (r == 0 && namespace_id) {
        rig->backend->identify_namespace(rig->function, namespace_id, done_namespace, rig);
        r = rig_wait(rig);
    }
    return r;
}

int rig_close(struct rig *rig)
{
    rig->backend->close(rig->function, rig_done, rig);
    rig->function = NULL;
    int r = rig_wait(rig);
    munmap((void *)(uintptr_t)rig->bar, rig->info.bar_bytes);
    rig->bar = NULL;
    return r;
}

/* ---- the queue pair ---- */

void lane_init(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries, uint64_t submission_at,
               uint64_t completion_at)
{
    size_t stride = rig->info.doorbell_stride;

    *lane = (struct lane){
        .rig = rig,
        .id = id,
        .entries = entries,
        .phase = true,
        .submission = (struct nvme_command *)(void *)(rig->memory + submission_at),
        .completion = (volatile uint64_t *)(void *)(rig->memory + completion_at),
        .submission_doorbell = (volatile uint32_t *)(rig->bar + DOORBELLS + 2 * id * stride),
        .completion_doorbell = (volatile uint32_t *)(rig->bar + DOORBELLS + (2 * id + 1) * stride),
    };
}

int lane_open(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries, uint16_t vector)
{
    const struct hw_queue_pair pair = {.id = id,
                                       .entries = entries,
                                       .submission_iova = RIG_IOVA + RIG_SUBMISSION,
                                       .completion_iova = RIG_IOVA + RIG_COMPLETION,
                                       .vector = vector};

    memset(rig->memory + RIG_COMPLETION, 0, entries * 16);
    lane_init(rig, lane, id, entries, RIG_SUBMISSION, RIG_COMPLETION);
    rig->backend->create_queue_pair(rig->function, &pair, rig_done, rig);
    return rig_wait(rig);
}

void rig_write_doorbell(struct rig *rig, volatile uint32_t *doorbell, uint32_t value)
{
    const uint64_t one = 1;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *doorbell = value;
    if (rig->info.wake_offset && *(volatile uint32_t *)(rig->bar + rig->info.wake_offset))
        need(write(rig->backend->wake_fd(rig->function), &one, sizeof(one)) == sizeof(one), "waking");
}

void lane_put(struct lane *lane, struct nvme_command command)
{
    lane->submission[lane->tail] = command;
    lane->tail = (lane->tail + 1) % lane->entries;
}

void lane_ring(struct lane *lane)
{
    rig_write_doorbell(lane->rig, lane->submission_doorbell, lane->tail);
}

bool lane_reap(struct lane *lane, unsigned milliseconds, struct lane_result *ret_result)
{
    uint64_t end = rig_now() + milliseconds;
    volatile uint64_t *entry = &lane->completion[2 * lane->head];

    while ((__atomic_load_n(&entry[1], __ATOMIC_ACQUIRE) >> 48 & 1) != lane->phase) {
        if (rig_now() >= end)
            return false;
        sched_yield();
    }
    uint64_t low = entry[0], high = entry[1];
    *ret_result = (struct lane_result){.value = (uint32_t)low,
                                       .head = (uint16_t)high,
                                       .queue = (uint16_t)(high >> 16),
                                       .cid = (uint16_t)(high >> 32),
                                       .status = (uint16_t)(high >> 49 & 0x7ff)};
    if (++lane->head == lane->entries) {
        lane->head = 0;
        lane->phase = !lane->phase;
    }
    rig_write_doorbell(lane->rig, lane->completion_doorbell, lane->head);
    return true;
}

uint16_t lane_give(struct lane *lane, struct nvme_command command)
{
    struct lane_result result;

    lane_put(lane, command);
    lane_ring(lane);
    if (!lane_reap(lane, lane->rig->patience, &result) || result.cid != command.cid)
        return UINT16_MAX;
    return result.status;
}
