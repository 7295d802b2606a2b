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
    WAIT_MILLISECONDS = 20000,
    COMMAND_MILLISECONDS = 5000,
    DOORBELLS = 0x1000,
};

static uint64_t now(void)
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

    for (unsigned i = 0; !result->error && i < result->secondaries.count; i++)
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

int rig_wait(struct rig *rig)
{
    uint64_t end = now() + WAIT_MILLISECONDS;

    while (!rig->done) {
        need(now() < end, "an operation does not end");
        rig_run(rig, 1);
    }
    rig->done = false;
    return rig->result.error;
}

void rig_run(struct rig *rig, unsigned milliseconds)
{
    const struct timeval pause = {.tv_usec = 1000};
    uint64_t end = now() + milliseconds;

    do {
        event_base_loopexit(rig->base, &pause);
        event_base_loop(rig->base, EVLOOP_ONCE);
    } while (now() < end);
}

bool rig_event(struct rig *rig, enum hw_event event)
{
    uint64_t end = now() + COMMAND_MILLISECONDS;

    while (rig->events == 0 || rig->last_event != event) {
        if (now() >= end)
            return false;
        rig_run(rig, 1);
    }
    return true;
}

void rig_join(struct rig *rig, struct rig *other, const char *spec)
{
    static const struct hw_listener listener = {device_event, function_event};
    char path[128];

    snprintf(path, sizeof(path), "%s/model.sock", rig->directory);
    errno =
        -hw_model_new(other->base, "/nonexistent", path, spec, spec_digest(spec), &listener, &other->backend);
    need(errno == 0, "backend");
}

struct rig *rig_new(const char *spec)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct sockaddr_un address;

    need(rig != NULL, "memory");
    start_model(rig, spec, &address);
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
    rig->base = event_base_new();
    rig->memfd = memfd_create("rig", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    need(rig->base && rig->memfd >= 0 && ftruncate(rig->memfd, RIG_BYTES) == 0, "memory of the rig");
    rig->memory = mmap(NULL, RIG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, rig->memfd, 0);
    need(rig->memory != MAP_FAILED, "memory of the rig");
    rig_join(rig, rig, spec);
    const struct hw_device_selector selector = {.name = "rig", .serial = "RIG"};
    need(rig->backend->device_new(rig->backend, &selector, rig, &rig->device) == 0, "device");
    return rig;
}

void rig_free(struct rig *rig)
{
    char path[128];

    if (rig->bar)
        munmap((void *)(uintptr_t)rig->bar, rig->info.bar_bytes);
    rig->backend->device_free(rig->device);
    hw_backend_free(rig->backend);
    event_base_free(rig->base);
    munmap(rig->memory, RIG_BYTES);
    close(rig->memfd);
    if (rig->model > 0) {
        int status = 0;
        kill(rig->model, SIGTERM);
        waitpid(rig->model, &status, 0);
        need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the model's end");
    }
    snprintf(path, sizeof(path), "%s/model.sock", rig->directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/model-control.sock", rig->directory);
    unlink(path);
    rmdir(rig->directory);
    free(rig);
}

int rig_provision(struct rig *rig, unsigned functions, unsigned queues, unsigned interrupts)
{
    int r;

    rig->backend->probe(rig->device, done_info, rig);
    r = rig_wait(rig);
    for (uint16_t id = 1; r == 0 && id <= functions; id++) {
        rig->backend->assign(rig->device, id, HW_QUEUES, (uint16_t)queues, rig_done, rig);
        r = rig_wait(rig);
        if (r == 0) {
            rig->backend->assign(rig->device, id, HW_INTERRUPTS, (uint16_t)interrupts, rig_done, rig);
            r = rig_wait(rig);
        }
    }
    if (r == 0) {
        rig->backend->set_function_count(rig->device, functions, rig_done, rig);
        r = rig_wait(rig);
    }
    for (uint16_t id = 1; r == 0 && id <= functions; id++) {
        rig->backend->set_online(rig->device, id, true, rig_done, rig);
        r = rig_wait(rig);
    }
    if (r == 0) {
        rig->backend->list_secondaries(rig->device, done_secondaries, rig);
        r = rig_wait(rig);
    }
    return r;
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

int lane_open(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries, uint16_t vector)
{
    const struct hw_queue_pair pair = {.id = id,
                                       .entries = entries,
                                       .submission_iova = RIG_IOVA + RIG_SUBMISSION,
                                       .completion_iova = RIG_IOVA + RIG_COMPLETION,
                                       .vector = vector};

    memset(rig->memory + RIG_COMPLETION, 0, entries * 16);
    rig->backend->create_queue_pair(rig->function, &pair, rig_done, rig);
    int r = rig_wait(rig);
    *lane = (struct lane){
        .rig = rig,
        .id = id,
        .entries = entries,
        .phase = true,
        .submission = (struct nvme_command *)(void *)(rig->memory + RIG_SUBMISSION),
        .completion = (volatile uint64_t *)(void *)(rig->memory + RIG_COMPLETION),
        .submission_doorbell =
            (volatile uint32_t *)(rig->bar + DOORBELLS + 2 * id * rig->info.doorbell_stride),
        .completion_doorbell =
            (volatile uint32_t *)(rig->bar + DOORBELLS + (2 * id + 1) * rig->info.doorbell_stride),
    };
    return r;
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
    uint64_t end = now() + milliseconds;
    volatile uint64_t *entry = &lane->completion[2 * lane->head];

    while ((__atomic_load_n(&entry[1], __ATOMIC_ACQUIRE) >> 48 & 1) != lane->phase) {
        if (now() >= end)
            return false;
        sched_yield();
    }
    uint64_t low = entry[0], high = entry[1];
    *ret_result = (struct lane_result){.value = (uint32_t)low,
                                       .head = (uint16_t)high,
                                       .queue = (uint16_t)(high >> 16),
                                       .cid = (uint16_t)(high >> 32),
                                       .status = (uint16_t)(high >> 49)};
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
    if (!lane_reap(lane, COMMAND_MILLISECONDS, &result) || result.cid != command.cid)
        return UINT16_MAX;
    return result.status;
}
