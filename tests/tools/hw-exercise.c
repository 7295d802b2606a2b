/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Takes an SSD through the whole life cycle of its VFs by way of daemon/hw/backend.h, and does I/O by hand.
 * Run as root where homid would run: hw-exercise SERIAL NAMESPACE. Prints each step with its time; status 0:
 * all as it should be.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/helper/helper.h"
#include "daemon/hw/backend.h"

enum { FUNCTIONS = 2, ENTRIES = 16, QUEUE = 1, BLOCK = 512, MEMORY = 2 << 20, DATA_AT = 0x2000 };

#define IOVA UINT64_C(0x40000000)

static struct event_base *base;
static struct hw_backend *hw;
static struct hw_device *device;
static struct hw_device_info info;
static struct hw_secondary secondaries[HW_FUNCTIONS_MAX];
static unsigned secondary_count;
static struct hw_function_info opened;
static enum hw_event last_event, last_device_event;
static bool event_seen, device_event_seen;
static double started;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void die(const char *what)
{
    printf("FAIL %s\n", what);
    exit(1);
}

static void expect(bool condition, const char *what)
{
    if (!condition)
        die(what);
    printf("  ok %s\n", what);
}

/* ---- waiting for results ---- */

struct waiter {
    bool done;
    struct hw_result result;
};

static void on_done(void *user, const struct hw_result *result)
{
    struct waiter *waiter = user;

    waiter->result = *result;
    waiter->done = true;
    event_base_loopbreak(base);
}

static struct hw_result wait_for(struct waiter *waiter, const char *what)
{
    while (!waiter->done)
        event_base_loop(base, EVLOOP_ONCE);
    printf("%9.1f ms  %s%s%s\n", now() - started, what, waiter->result.error ? ": " : "",
           waiter->result.reason);
    fflush(stdout);
    return waiter->result;
}

#define RUN(what, call)                                                                                      \
    ({                                                                                                       \
        struct waiter waiter_ = {0}, *waiter = &waiter_;                                                     \
        started = now();                                                                                     \
        call;                                                                                                \
        wait_for(waiter, what);                                                                              \
    })

static void must(struct hw_result result)
{
    if (result.error)
        die(result.reason);
}

static void on_probed(void *user, const struct hw_result *result)
{
    if (!result->error)
        info = *result->device_info;
    on_done(user, result);
}

static void on_listed(void *user, const struct hw_result *result)
{
    if (!result->error) {
        secondary_count = result->secondaries.count;
        memcpy(secondaries, result->secondaries.list, secondary_count * sizeof(*secondaries));
    }
    on_done(user, result);
}

static void on_opened(void *user, const struct hw_result *result)
{
    if (!result->error)
        opened = *result->function.info;
    on_done(user, result);
}

static struct hw_namespace found;

static void on_namespace(void *user, const struct hw_result *result)
{
    if (!result->error)
        found = *result->namespace_info;
    on_done(user, result);
}

static void on_device_event(void *user, struct hw_device *which, enum hw_event event, const char *text)
{
    (void)user;
    (void)which;
    printf("           device event %d: %s\n", event, text);
    last_device_event = event;
    device_event_seen = true;
}

static void on_function_event(void *user, struct hw_function *function, enum hw_event event, const char *text)
{
    (void)user;
    (void)function;
    printf("           function event %d: %s\n", event, text);
    last_event = event;
    event_seen = true;
}

static void let_pass(unsigned milliseconds)
{
    struct timeval time = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};

    event_base_loopexit(base, &time);
    event_base_dispatch(base);
}

static unsigned count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* ---- I/O by hand ---- */

struct queue {
    uint8_t *memory, *bar;
    unsigned tail, head, phase;
};

static void doorbell(const struct queue *queue, unsigned index, uint32_t value)
{
    *(volatile uint32_t *)(queue->bar + 0x1000 + index * opened.doorbell_stride) = htole32(value);
}

/* One block; the status of the command, or -1 when it does not complete. */
static int submit(struct queue *queue, uint8_t opcode, uint32_t nsid, uint64_t block, uint64_t iova)
{
    uint32_t *entry = (uint32_t *)(queue->memory + queue->tail * 64);
    volatile uint32_t *completion = (uint32_t *)(queue->memory + 0x1000 + queue->head * 16);
    double end = now() + 5000;

    memset(entry, 0, 64);
    entry[0] = htole32(opcode | (0x100 + queue->tail) << 16);
    entry[1] = htole32(nsid);
    entry[6] = htole32((uint32_t)iova);
    entry[7] = htole32((uint32_t)(iova >> 32));
    entry[10] = htole32((uint32_t)block);
    queue->tail = (queue->tail + 1) % ENTRIES;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    doorbell(queue, 2 * QUEUE, queue->tail);
    while ((le32toh(completion[3]) >> 16 & 1) != queue->phase) {
        if (now() > end)
            return -1;
    }
    int status = le32toh(completion[3]) >> 17 & 0x7ff;
    queue->head = (queue->head + 1) % ENTRIES;
    queue->phase ^= queue->head == 0;
    doorbell(queue, 2 * QUEUE + 1, queue->head);
    return status;
}

static int new_memory(uint8_t **ret_view)
{
    int fd = memfd_create("exercise", MFD_CLOEXEC);

    if (ftruncate(fd, MEMORY) < 0)
        die("memfd");
    *ret_view = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    return fd;
}

/* ---- the steps ---- */

static struct hw_secondary *secondary(unsigned index)
{
    for (unsigned i = 0; i < secondary_count; i++) {
        if (secondaries[i].function == index + 1)
            return &secondaries[i];
    }
    die("a VF without a secondary controller");
    return NULL;
}

static void probe(void)
{
    must(RUN("probe", hw->probe(device, on_probed, waiter)));
    printf("  %s %s '%s' '%s' cntlid %u VFs %u/%u VQ %u/%u/%u VI %u/%u/%u ns-mgmt %d\n", info.address,
           info.controller, info.serial, info.model, info.controller_id, info.functions_enabled,
           info.functions_total, info.queues.total, info.queues.per_function, info.queues.granularity,
           info.interrupts.total, info.interrupts.per_function, info.interrupts.granularity,
           info.namespace_management);
    for (unsigned i = 0; i < info.namespace_count; i++) {
        printf("  namespace %u: %llu blocks of %u, shareable %d, controllers:", info.namespaces[i].id,
               (unsigned long long)info.namespaces[i].blocks, info.namespaces[i].block_bytes,
               info.namespaces[i].shareable);
        for (unsigned k = 0; k < info.namespaces[i].controller_count; k++)
            printf(" %u", info.namespaces[i].controllers[k]);
        printf("\n");
    }
}

static void list(void)
{
    must(RUN("list-secondary", hw->list_secondaries(device, on_listed, waiter)));
    for (unsigned i = 0; i < secondary_count; i++)
        printf("  secondary %u: VF %u, %u queues, %u interrupts, %s\n", secondaries[i].controller_id,
               secondaries[i].function, secondaries[i].queues, secondaries[i].interrupts,
               secondaries[i].online ? "online" : "offline");
}

static void provision(void)
{
    uint16_t queues = info.queues.per_function, interrupts = info.interrupts.per_function;

    list();
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        uint16_t id = secondaries[i].controller_id;
        must(RUN("assign queues", hw->assign(device, id, HW_QUEUES, queues, on_done, waiter)));
        must(RUN("assign interrupts", hw->assign(device, id, HW_INTERRUPTS, interrupts, on_done, waiter)));
    }
    struct hw_result refused = RUN(
        "assign too many", hw->assign(device, secondaries[2].controller_id, HW_QUEUES, 999, on_done, waiter));
    expect(refused.error == -EIO && refused.nvme_status == 0x121, "Invalid Number of Controller Resources");
    must(RUN("numvfs", hw->set_function_count(device, FUNCTIONS, on_done, waiter)));
    must(RUN("numvfs again", hw->set_function_count(device, FUNCTIONS, on_done, waiter)));
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        must(RUN("online", hw->set_online(device, secondaries[i].controller_id, true, on_done, waiter)));
        struct hw_result place = RUN("bind", hw->bind(device, i, on_done, waiter));
        must(place);
    }
    must(RUN("bind again", hw->bind(device, 0, on_done, waiter)));
    expect(RUN("bind a VF that is not there", hw->bind(device, 3, on_done, waiter)).error == -ENODEV,
           "-ENODEV");
    list();
    expect(secondary(0)->online && secondary(1)->online, "both online");
}

static struct hw_function *open_function(unsigned index)
{
    struct hw_result result = RUN("open", hw->open(device, index, NULL, on_opened, waiter));

    must(result);
    return result.function.handle;
}

static void close_function(struct hw_function *function)
{
    must(RUN("close", hw->close(function, on_done, waiter)));
}

static void show_function(void)
{
    printf("  cntlid %u, %u queue pairs, %u interrupts, %u entries, stride %u, MDTS %u, ONCS 0x%x, BAR %llu "
           "at %llx\n",
           opened.controller_id, opened.queue_pairs, opened.interrupts, opened.queue_entries_max,
           opened.doorbell_stride, opened.max_transfer_bytes, opened.optional_commands,
           (unsigned long long)opened.bar_bytes, (unsigned long long)opened.bar_offset);
    for (unsigned i = 0; i < opened.iova_range_count; i++)
        printf("  IOVAs %llx to %llx\n", (unsigned long long)opened.iova_ranges[i].first,
               (unsigned long long)opened.iova_ranges[i].last);
}

static void attach(uint32_t nsid, bool on)
{
    must(RUN(on ? "attach namespace" : "detach namespace",
             hw->attach_namespace(device, nsid, secondary(0)->controller_id, on, on_done, waiter)));
}

static void create_queue(struct hw_function *function, struct queue *queue, int memfd, uint16_t vector)
{
    const struct hw_queue_pair pair = {.id = QUEUE,
                                       .entries = ENTRIES,
                                       .submission_iova = IOVA,
                                       .completion_iova = IOVA + 0x1000,
                                       .vector = vector};

    must(RUN("map 2 MiB", hw->map(function, memfd, 0, MEMORY, IOVA, on_done, waiter)));
    memset(queue->memory, 0, 0x2000);
    queue->tail = queue->head = 0;
    queue->phase = 1;
    must(RUN("create queue pair", hw->create_queue_pair(function, &pair, on_done, waiter)));
    queue->bar = mmap(NULL, opened.bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, hw->device_fd(function),
                      (off_t)opened.bar_offset);
    if (queue->bar == MAP_FAILED)
        die("mapping BAR 0");
}

static void drop_queue(struct hw_function *function, struct queue *queue)
{
    munmap(queue->bar, opened.bar_bytes);
    must(RUN("delete queue pair", hw->delete_queue_pair(function, QUEUE, on_done, waiter)));
    must(RUN("unmap", hw->unmap(function, IOVA, MEMORY, false, on_done, waiter)));
}

static void write_and_read(struct queue *queue, uint32_t nsid)
{
    uint8_t *out = queue->memory + DATA_AT, *in = out + 0x1000;

    for (unsigned i = 0; i < BLOCK; i++)
        out[i] = (uint8_t)(i * 7 + 3);
    memset(in, 0, BLOCK);
    started = now();
    expect(submit(queue, 1, nsid, 40, IOVA + DATA_AT) == 0, "write a block");
    expect(submit(queue, 2, nsid, 40, IOVA + DATA_AT + 0x1000) == 0, "read it back");
    printf("%9.1f ms  both\n", now() - started);
    expect(memcmp(in, out, BLOCK) == 0, "data as written");
}

static void expect_interrupt(struct hw_function *function, uint16_t vector)
{
    struct pollfd poll_fd = {.fd = hw->event_fd(function, vector), .events = POLLIN};

    expect(poll(&poll_fd, 1, 5000) == 1, "an interrupt came");
    expect(hw->event_fd(function, (uint16_t)(opened.interrupts + 1)) == -1, "no vector beyond the last");
}

static void requests(struct hw_function *function, uint32_t nsid)
{
    must(RUN("identify namespace", hw->identify_namespace(function, nsid, on_namespace, waiter)));
    expect(found.id == nsid && found.block_bytes == BLOCK, "as this function sees it");
    expect(RUN("namespace 9", hw->identify_namespace(function, 9, on_namespace, waiter)).error == -ENOENT,
           "-ENOENT");
    must(RUN("identify controller", hw->identify(function, 1, 0, on_done, waiter)));
    must(RUN("get log page 2", hw->get_log_page(function, 2, UINT32_MAX, 512, on_done, waiter)));
    struct hw_result feature = RUN("get feature 7", hw->get_feature(function, 7, on_done, waiter));
    must(feature);
    expect((feature.value & 0xffff) + 1 == opened.queue_pairs, "number of queues");
    expect(RUN("log page of 3 bytes", hw->get_log_page(function, 2, 0, 3, on_done, waiter)).error == -EINVAL,
           "-EINVAL");
    expect(
        RUN("delete a queue that is not there", hw->delete_queue_pair(function, 2, on_done, waiter)).error ==
            0,
        "counts as deleted");
    expect(
        RUN("unmap what is not mapped", hw->unmap(function, IOVA * 2, 4096, false, on_done, waiter)).error ==
            -EIO,
        "the size does not match");
}

static void fill_block(struct queue *queue, uint32_t nsid, uint64_t block, int byte)
{
    memset(queue->memory + DATA_AT, byte, BLOCK);
    expect(submit(queue, 1, nsid, block, IOVA + DATA_AT) == 0, "write what shall be forged");
}

/*
 * A tenant aims reads of its own blocks at homid's admin queues, which lie in the same IOMMU domain. The
 * submission queue must not change: what it holds is shown by writing it to the namespace. Forged completions
 * must be noticed.
 */
static void forge(struct hw_function *function, struct queue *queue, uint32_t nsid)
{
    uint64_t admin = opened.iova_ranges[opened.iova_range_count - 1].last + 1;
    const uint8_t *seen = queue->memory + DATA_AT;
    bool changed = true;

    fill_block(queue, nsid, 41, 0x15);
    printf("  read into the admin SQ: status 0x%x\n", (unsigned)submit(queue, 2, nsid, 41, admin));
    memset(queue->memory + DATA_AT, 0, BLOCK);
    expect(submit(queue, 1, nsid, 43, admin) == 0 && submit(queue, 2, nsid, 43, IOVA + DATA_AT) == 0,
           "look at the admin SQ by DMA");
    for (unsigned i = 0; i < BLOCK; i++)
        changed &= seen[i] == 0x15;
    expect(!changed && seen[0] != 0, "it holds homid's commands");
    event_seen = false;
    fill_block(queue, nsid, 42, 0xff);
    printf("  read into the admin CQ: status 0x%x\n", (unsigned)submit(queue, 2, nsid, 42, admin + 0x10000));
    struct hw_result result = RUN("identify", hw->identify(function, 1, 0, on_done, waiter));
    let_pass(100);
    expect(event_seen && last_event == HW_FUNCTION_FAILED, "the function is failed");
    expect(result.error == -EIO || result.error == 0, "and its command ended");
    expect(RUN("identify", hw->identify(function, 1, 0, on_done, waiter)).error == -EIO,
           "as the next one does");
}

static void hold(unsigned index)
{
    struct hw_function *function = open_function(index);
    int held = fcntl(hw->device_fd(function), F_DUPFD_CLOEXEC, 0);

    close_function(function);
    expect(RUN("open while the device fd is held", hw->open(device, index, NULL, on_opened, waiter)).error ==
               -EBUSY,
           "-EBUSY");
    started = now();
    close(held);
    printf("%9.1f ms  the holder lets go\n", now() - started);
    close_function(open_function(index));
}

static void bring_back(unsigned index)
{
    uint16_t id = secondary(index)->controller_id;

    must(RUN("assign queues", hw->assign(device, id, HW_QUEUES, info.queues.per_function, on_done, waiter)));
    must(RUN("assign interrupts",
             hw->assign(device, id, HW_INTERRUPTS, info.interrupts.per_function, on_done, waiter)));
    must(RUN("online", hw->set_online(device, id, true, on_done, waiter)));
    close_function(open_function(index));
}

static void expect_failure(const char *what)
{
    double limit = now() + 5000;

    while (!event_seen && now() < limit)
        let_pass(50);
    printf("%9.1f ms\n", now() - started);
    expect(event_seen && last_event == HW_FUNCTION_FAILED, what);
}

static void take_offline(unsigned index)
{
    struct hw_function *function = open_function(index);

    event_seen = false;
    must(RUN("offline under an open function",
             hw->set_online(device, secondary(index)->controller_id, false, on_done, waiter)));
    expect_failure("noticed");
    close_function(function);
    expect(RUN("open offline", hw->open(device, index, NULL, on_opened, waiter)).error == -ENETDOWN,
           "-ENETDOWN");
    bring_back(index);
}

/* Somebody else's write to sysfs, which may block for as long as this program lets it. */
static pid_t write_elsewhere(const char *folder, const char *name, const char *attribute, const char *text)
{
    char path[128];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    /* Else it would hold the VF whose end it waits for. */
    close_range(3, ~0u, 0);
    snprintf(path, sizeof(path), "/sys/%s/%s/%s", folder, name, attribute);
    int fd = open(path, O_WRONLY);
    _exit(fd < 0 || write(fd, text, strlen(text)) < 0);
}

static void await(pid_t pid, const char *what)
{
    int status;

    waitpid(pid, &status, 0);
    printf("%9.1f ms\n", now() - started);
    expect(status == 0, what);
}

static void reset_physical(void)
{
    struct hw_function *function = open_function(0);

    event_seen = device_event_seen = false;
    started = now();
    await(write_elsewhere("class/nvme", info.controller, "reset_controller", "1"), "the PF was reset");
    expect_failure("the VF has failed");
    for (int i = 0; i < 100 && !device_event_seen; i++)
        let_pass(50);
    expect(device_event_seen && last_device_event == HW_DEVICE_RESET, "the reset was told");
    close_function(function);
    list();
    expect(!secondary(0)->online && !secondary(1)->online, "both went offline");
    bring_back(0);
    bring_back(1);
}

static void remove_functions(void)
{
    struct hw_function *function = open_function(0);

    event_seen = false;
    started = now();
    pid_t pid = write_elsewhere("bus/pci/devices", info.address, "sriov_numvfs", "0");
    for (int i = 0; i < 100 && !event_seen; i++)
        let_pass(50);
    expect(event_seen && last_event == HW_FUNCTION_WANTED, "the kernel asked for the function");
    close_function(function);
    await(pid, "the VFs were removed once the function was closed");
    probe();
    expect(info.functions_enabled == 0, "none is left");
}

static void expect_device_event(enum hw_event event, const char *what)
{
    for (int i = 0; i < 200 && !device_event_seen; i++)
        let_pass(50);
    expect(device_event_seen && last_device_event == event, what);
}

static void remove_device(void)
{
    device_event_seen = false;
    started = now();
    pid_t pid = write_elsewhere("bus/pci/drivers", "nvme", "unbind", info.address);
    expect_device_event(HW_DEVICE_GONE, "the device is gone");
    await(pid, "unbound");
    expect(RUN("probe", hw->probe(device, on_probed, waiter)).error == -ENODEV, "-ENODEV");
    device_event_seen = false;
    started = now();
    pid = write_elsewhere("bus/pci/drivers", "nvme", "bind", info.address);
    expect_device_event(HW_DEVICE_BACK, "and back");
    await(pid, "bound");
    probe();
}

static void take_down(void)
{
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        must(RUN("unbind", hw->unbind(device, i, on_done, waiter)));
        must(RUN("offline", hw->set_online(device, secondary(i)->controller_id, false, on_done, waiter)));
    }
    must(RUN("numvfs 0", hw->set_function_count(device, 0, on_done, waiter)));
    list();
}

static void exercise(uint32_t nsid)
{
    struct queue queue = {0};
    int memfd = new_memory(&queue.memory);
    unsigned fds = 0;

    probe();
    provision();
    attach(nsid, true);
    attach(nsid, true);
    for (int turn = 0; turn < 3; turn++) {
        struct hw_function *function = open_function(0);
        if (turn == 0)
            show_function();
        requests(function, nsid);
        /* The first turn polls, the others have the first and the last vector. */
        uint16_t vector = turn == 0 ? 0 : turn == 1 ? 1 : opened.interrupts;
        create_queue(function, &queue, memfd, vector);
        write_and_read(&queue, nsid);
        if (vector)
            expect_interrupt(function, vector);
        if (turn == 1) {
            forge(function, &queue, nsid);
            munmap(queue.bar, opened.bar_bytes);
        } else {
            drop_queue(function, &queue);
        }
        close_function(function);
        let_pass(100);
        if (turn == 1)
            fds = count_fds();
    }
    expect(count_fds() == fds, "no descriptor leaked");
    list();
    hold(1);
    take_offline(1);
    reset_physical();
    attach(nsid, false);
    attach(nsid, false);
    take_down();
    probe();
    must(RUN("numvfs", hw->set_function_count(device, 1, on_done, waiter)));
    must(RUN("bind", hw->bind(device, 0, on_done, waiter)));
    list();
    bring_back(0);
    remove_functions();
    remove_device();
    close(memfd);
    munmap(queue.memory, MEMORY);
}

int main(int argc, char **argv)
{
    static const struct hw_listener listener = {.device_event = on_device_event,
                                                .function_event = on_function_event};

    if (argc > 1 && strcmp(argv[1], "--helper") == 0)
        return helper_main(3);
    if (argc != 3) {
        fprintf(stderr, "usage: hw-exercise SERIAL NAMESPACE\n");
        return 2;
    }
    const struct hw_device_selector selector = {.name = "exercise", .serial = argv[1]};
    base = event_base_new();
    if (hw_linux_new(base, "/proc/self/exe", &listener, &hw) < 0 ||
        hw->device_new(hw, &selector, NULL, &device) < 0)
        die("setting up");
    exercise((uint32_t)strtoul(argv[2], NULL, 10));
    hw->device_free(device);
    hw_backend_free(hw);
    event_base_free(base);
    printf("all as it should be\n");
    return 0;
}
