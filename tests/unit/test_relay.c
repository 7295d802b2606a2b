/* SPDX-License-Identifier: BSD-3-Clause */
/* The doorbell relay as a process, with memory in place of a BAR and this test in place of homid and tenants.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/hw/doorbells.h"
#include "daemon/relay/relay.h"
#include "daemon/relay_wire.h"

enum {
    PAIRS = 4,
    ENTRIES = 32,
    STRIDE = 4,
    BAR_BYTES = 8192,
    PATIENCE_MILLISECONDS = 20000,
};

static const char address_text[] = "0000:01:00.1";

struct page {
    int fd;
    uint64_t key;
    uint8_t *view;
};

static struct sockaddr_un address;
static int listener, homid, bar_fd, ledger_fd, wake_fd;
static pid_t relay;
static uint64_t number;
static uint8_t *bar;
static struct doorbells_ledger *ledger;
static struct page pages[2];

/* ---- memory ---- */

static int memory(uint64_t bytes, uint8_t **ret_view)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
    *ret_view = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(*ret_view, MAP_FAILED);
    return fd;
}

static volatile struct doorbells_line *line(const struct page *page, unsigned id)
{
    return (volatile struct doorbells_line *)(void *)(page->view + id * DOORBELLS_LINE_BYTES);
}

static volatile uint32_t *wake_word(const struct page *page)
{
    return (volatile uint32_t *)(void *)(page->view + DOORBELLS_WAKE_OFFSET);
}

static volatile uint32_t *doorbell(unsigned id, bool completion)
{
    return (volatile uint32_t *)(void *)(bar + 0x1000 + (2 * id + completion) * STRIDE);
}

static void make_page(struct page *page)
{
    struct stat status;

    page->fd = memory(doorbells_page_bytes(PAIRS), &page->view);
    ck_assert_int_eq(fstat(page->fd, &status), 0);
    page->key = status.st_ino;
    *wake_word(page) = 1;
}

/* ---- the relay ---- */

static void pause_milliseconds(long milliseconds)
{
    const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};

    nanosleep(&time, NULL);
}

static void start_relay(void)
{
    relay = fork();
    ck_assert_int_ge(relay, 0);
    if (relay == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        exit(relay_main(listener));
    }
}

static int dial(void)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static struct relay_message hear(size_t *ret_fd_count)
{
    struct pollfd entry = {.fd = homid, .events = POLLIN};
    struct relay_message message;
    int fds[RELAY_FDS_MAX];

    ck_assert_int_eq(poll(&entry, 1, PATIENCE_MILLISECONDS), 1);
    ck_assert_int_eq(relay_receive(homid, &message, fds, ret_fd_count), 0);
    for (size_t i = 0; i < *ret_fd_count; i++)
        close(fds[i]);
    return message;
}

/* The answer's error. */
static int ask(struct relay_message message, const int *fds, size_t fd_count)
{
    size_t came;

    message.version = RELAY_VERSION;
    message.number = ++number;
    memcpy(message.function, address_text, sizeof(address_text));
    ck_assert_int_eq(relay_send(homid, &message, fds, fd_count), 0);
    struct relay_message answer = hear(&came);
    ck_assert_uint_eq(answer.kind, RELAY_DONE);
    ck_assert_uint_eq(answer.number, number);
    ck_assert_uint_eq(came, message.kind == RELAY_HELLO);
    return answer.error;
}

static void greet(void)
{
    ck_assert_int_eq(
        ask((struct relay_message){.kind = RELAY_HELLO, .hello = {1, {RELAY_CORE_ANY}}}, NULL, 0), 0);
}

static int add_function(void)
{
    const int fds[] = {bar_fd, ledger_fd, wake_fd};

    return ask(
        (struct relay_message){.kind = RELAY_FUNCTION, .target = {.doorbell_stride = STRIDE, .pairs = PAIRS}},
        fds, 3);
}

static int add_page(const struct page *page)
{
    return ask((struct relay_message){.kind = RELAY_PAGE, .page = {.key = page->key}}, &page->fd, 1);
}

static int add_queue(const struct page *page, uint16_t id)
{
    return ask((struct relay_message){.kind = RELAY_QUEUE,
                                      .queue = {.page = page->key, .entries = ENTRIES, .id = id}},
               NULL, 0);
}

static int tell(enum relay_kind kind)
{
    return ask((struct relay_message){.kind = (uint16_t)kind}, NULL, 0);
}

static void set_all(void)
{
    greet();
    ck_assert_int_eq(add_function(), 0);
    ck_assert_int_eq(add_page(&pages[0]), 0);
    ck_assert_int_eq(add_page(&pages[1]), 0);
    ck_assert_int_eq(add_queue(&pages[0], 1), 0);
    ck_assert_int_eq(add_queue(&pages[1], 2), 0);
    ck_assert_int_eq(tell(RELAY_SYNCED), 0);
}

static void set_up(void)
{
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    /* In the abstract namespace, where nothing is left behind. */
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "homi-test-relay-%d", (int)getpid());
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
    bar_fd = memory(BAR_BYTES, &bar);
    ledger_fd = memory(doorbells_ledger_bytes(PAIRS), (uint8_t **)&ledger);
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    make_page(&pages[0]);
    make_page(&pages[1]);
    ck_assert_int_eq(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0), 0);
    start_relay();
    homid = dial();
    set_all();
}

static void ends_well(void)
{
    int status;

    ck_assert_int_eq(waitpid(relay, &status, 0), relay);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with 0x%x", (unsigned)status);
}

static void tear_down(void)
{
    ck_assert_int_eq(tell(RELAY_FUNCTION_GONE), 0);
    close(homid);
    ends_well();
    close(listener);
}

static void wait_for(const volatile uint32_t *word, uint32_t value)
{
    for (unsigned i = 0; *word != value; i++) {
        ck_assert_msg(i < PATIENCE_MILLISECONDS, "it stays %u and should be %u", *word, value);
        pause_milliseconds(1);
    }
}

static void wake_relay(void)
{
    const uint64_t one = 1;

    ck_assert_int_eq(write(wake_fd, &one, sizeof(one)), sizeof(one));
}

/* As homi_queue_ring does it. */
static void ring(const struct page *page, volatile uint32_t *word, uint32_t value)
{
    *word = value;
    if (*wake_word(page))
        wake_relay();
}

/* ---- forwarding ---- */

/* Commands of a queue pair, as few as a test has. The relay counts after it rang. */
static volatile uint32_t *count_of(unsigned id)
{
    return (volatile uint32_t *)(volatile void *)&ledger[id].commands;
}

START_TEST(values_are_forwarded)
{
    ring(&pages[0], &line(&pages[0], 1)->submission, 5);
    wait_for(doorbell(1, false), 5);
    ring(&pages[0], &line(&pages[0], 1)->completion, 3);
    wait_for(doorbell(1, true), 3);
    ring(&pages[1], &line(&pages[1], 2)->submission, ENTRIES - 1);
    wait_for(doorbell(2, false), ENTRIES - 1);
    wait_for(&ledger[1].submission, 5);
    wait_for(&ledger[1].completion, 3);
    wait_for(count_of(1), 5);
    wait_for(count_of(2), ENTRIES - 1);
    /* Around the end of the ring. */
    ring(&pages[1], &line(&pages[1], 2)->submission, 2);
    wait_for(count_of(2), ENTRIES + 2);
}
END_TEST

START_TEST(an_unchanged_value_is_never_written)
{
    ring(&pages[0], &line(&pages[0], 1)->submission, 5);
    wait_for(doorbell(1, false), 5);
    *doorbell(1, false) = 99; /* a second write of 5 would show */
    line(&pages[0], 1)->submission = 5;
    wake_relay();
    /* Nor when it is told everything again. */
    set_all();
    ring(&pages[1], &line(&pages[1], 2)->submission, 7);
    wait_for(doorbell(2, false), 7);
    ck_assert_uint_eq(*doorbell(1, false), 99);
}
END_TEST

static void check_ended(unsigned id, uint32_t value, enum doorbells_defect defect)
{
    size_t came;
    struct relay_message message = hear(&came);

    ck_assert_uint_eq(message.kind, RELAY_ENDED);
    ck_assert_str_eq(message.function, address_text);
    ck_assert_uint_eq(message.ended.page, pages[0].key);
    ck_assert_uint_eq(message.ended.id, id);
    ck_assert_uint_eq(message.ended.value, value);
    ck_assert_uint_eq(message.ended.defect, defect);
}

START_TEST(a_value_out_of_range_ends_its_queue_pair_alone)
{
    bool completion = _i == 1;
    volatile uint32_t *word = completion ? &line(&pages[0], 1)->completion : &line(&pages[0], 1)->submission;

    ck_assert_int_eq(add_queue(&pages[0], 3), 0);
    ring(&pages[0], word, ENTRIES);
    check_ended(1, ENTRIES, completion ? DOORBELLS_COMPLETION_RANGE : DOORBELLS_SUBMISSION_RANGE);
    ring(&pages[0], word, 1); /* too late */
    ring(&pages[0], &line(&pages[0], 3)->submission, 9);
    wait_for(doorbell(3, false), 9);
    ring(&pages[1], &line(&pages[1], 2)->submission, 4);
    wait_for(doorbell(2, false), 4);
    ck_assert_uint_eq(*doorbell(1, completion), 0);
    /* A homid that comes anew is told as well. */
    close(homid);
    homid = dial();
    greet();
    ck_assert_int_eq(add_function(), 0);
    ck_assert_int_eq(add_page(&pages[0]), 0);
    ck_assert_int_eq(add_queue(&pages[0], 3), 0); /* which it does not take for the one that ended */
    ck_assert_int_eq(add_queue(&pages[0], 1), 0);
    check_ended(1, ENTRIES, completion ? DOORBELLS_COMPLETION_RANGE : DOORBELLS_SUBMISSION_RANGE);
}
END_TEST

START_TEST(a_queue_pair_is_its_pages_alone)
{
    ck_assert_int_eq(add_queue(&pages[1], 1), -EBUSY);
    ring(&pages[1], &line(&pages[1], 1)->submission, 5);
    ring(&pages[1], &line(&pages[1], 4)->submission, 5); /* nobody's */
    ring(&pages[1], &line(&pages[1], 2)->submission, 6);
    wait_for(doorbell(2, false), 6);
    ck_assert_uint_eq(*doorbell(1, false), 0);
    ck_assert_uint_eq(*doorbell(4, false), 0);
}
END_TEST

START_TEST(what_is_gone_is_not_forwarded)
{
    const struct relay_message gone = {.kind = RELAY_QUEUE_GONE, .queue = {.id = 1}};
    const struct relay_message page = {.kind = RELAY_PAGE_GONE, .page = {.key = pages[0].key}};

    ck_assert_int_eq(ask(gone, NULL, 0), 0);
    ck_assert_int_eq(ask(gone, NULL, 0), 0);
    ring(&pages[0], &line(&pages[0], 1)->submission, 5);
    ck_assert_int_eq(add_queue(&pages[1], 1), 0); /* its id is free for another page */
    ck_assert_int_eq(ask(page, NULL, 0), 0);
    ck_assert_int_eq(add_queue(&pages[0], 3), -ENOENT);
    ring(&pages[1], &line(&pages[1], 2)->submission, 6);
    wait_for(doorbell(2, false), 6);
    ck_assert_uint_eq(*doorbell(1, false), 0);
    ck_assert_int_eq(tell(RELAY_FUNCTION_GONE), 0);
    ring(&pages[1], &line(&pages[1], 2)->submission, 7);
    pause_milliseconds(20);
    ck_assert_uint_eq(*doorbell(2, false), 6);
}
END_TEST

/* ---- sleeping ---- */

static long cpu_ticks(void)
{
    struct timespec time;
    clockid_t clock;

    ck_assert_int_eq(clock_getcpuclockid(relay, &clock), 0);
    ck_assert_int_eq(clock_gettime(clock, &time), 0);
    return time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

START_TEST(without_work_it_sleeps_and_is_woken)
{
    wait_for(wake_word(&pages[0]), 1);
    wait_for(wake_word(&pages[1]), 1);
    long before = cpu_ticks();
    pause_milliseconds(500);
    ck_assert_int_lt(cpu_ticks() - before, 50000); /* microseconds: a tenth of polling */
    for (uint32_t i = 1; i < 20; i++) {
        ring(&pages[0], &line(&pages[0], 1)->submission, i);
        wait_for(doorbell(1, false), i);
        wait_for(wake_word(&pages[0]), 1);
    }
}
END_TEST

START_TEST(who_does_not_wake_it_is_found_all_the_same)
{
    wait_for(wake_word(&pages[0]), 1);
    line(&pages[0], 1)->submission = 8;
    wait_for(doorbell(1, false), 8);
}
END_TEST

/* A tenant has the counter's open file too: it could make a read of it wait for ever. */
START_TEST(the_wake_counter_is_never_read)
{
    enum { WAKES = 20 };
    uint64_t count;

    ck_assert_int_eq(fcntl(wake_fd, F_SETFL, 0), 0);
    for (uint32_t i = 1; i <= WAKES; i++) {
        wait_for(wake_word(&pages[0]), 1);
        line(&pages[0], 1)->submission = i;
        wake_relay();
        wait_for(doorbell(1, false), i);
    }
    ck_assert_int_eq(read(wake_fd, &count, sizeof(count)), sizeof(count));
    ck_assert_uint_eq(count, WAKES);
}
END_TEST

/* Doorbells at every moment of falling asleep: none is left lying until the backstop, once a second. */
START_TEST(no_wake_up_is_lost)
{
    enum { RINGS = 3000 };
    struct timespec begin, end;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint32_t i = 1; i <= RINGS; i++) {
        ring(&pages[0], &line(&pages[0], 1)->submission, i % ENTRIES);
        while (*doorbell(1, false) != i % ENTRIES)
            sched_yield();
        for (unsigned spin = 0; spin < (i % 64) * 400; spin++)
            atomic_signal_fence(memory_order_seq_cst);
        if (i % 16 == 0)
            pause_milliseconds(1);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    /* One lost wake-up costs up to a second; that many would show on the busiest host. */
    ck_assert_int_lt(end.tv_sec - begin.tv_sec, 60);
}
END_TEST

/* ---- who comes and goes ---- */

START_TEST(it_outlives_homid)
{
    close(homid);
    ring(&pages[0], &line(&pages[0], 1)->submission, 5);
    wait_for(doorbell(1, false), 5);
    /* What the next one does not name goes; the rest was never interrupted. */
    homid = dial();
    greet();
    ring(&pages[0], &line(&pages[0], 1)->submission, 6);
    wait_for(doorbell(1, false), 6);
    ck_assert_int_eq(add_function(), 0);
    ck_assert_int_eq(add_page(&pages[0]), 0);
    ck_assert_int_eq(add_queue(&pages[0], 1), 0);
    ck_assert_int_eq(tell(RELAY_SYNCED), 0);
    ring(&pages[1], &line(&pages[1], 2)->submission, 9);
    ring(&pages[0], &line(&pages[0], 1)->submission, 7);
    wait_for(doorbell(1, false), 7);
    ck_assert_uint_eq(*doorbell(2, false), 0);
    ck_assert_int_eq(add_queue(&pages[1], 2), -ENOENT);
}
END_TEST

/* It ended before the answers came, or before it read them. */
START_TEST(what_a_dead_homid_said_counts)
{
    const int fds[] = {bar_fd, ledger_fd, wake_fd};
    const struct {
        struct relay_message message;
        const int *fds;
        size_t count;
    } messages[] = {
        {{.kind = RELAY_HELLO, .hello = {1, {RELAY_CORE_ANY}}}, NULL, 0},
        {{.kind = RELAY_FUNCTION, .target = {.doorbell_stride = STRIDE, .pairs = PAIRS}}, fds, 3},
        {{.kind = RELAY_PAGE, .page = {.key = pages[0].key}}, &pages[0].fd, 1},
        {{.kind = RELAY_QUEUE, .queue = {.page = pages[0].key, .entries = ENTRIES, .id = 1}}, NULL, 0},
    };

    struct pollfd entry;

    kill(relay, SIGKILL);
    waitpid(relay, NULL, 0);
    close(homid);
    start_relay(); /* which does not inherit the connection */
    homid = dial();
    for (unsigned i = 0; i < 4; i++) {
        struct relay_message message = messages[i].message;
        message.version = RELAY_VERSION;
        message.number = ++number;
        memcpy(message.function, address_text, sizeof(address_text));
        if (i == 0 && _i == 0)
            kill(relay, SIGSTOP);
        ck_assert_int_eq(relay_send(homid, &message, messages[i].fds, messages[i].count), 0);
        entry = (struct pollfd){.fd = homid, .events = POLLIN};
        if (i == 0 && _i == 1) {
            ck_assert_int_eq(poll(&entry, 1, PATIENCE_MILLISECONDS), 1);
            kill(relay, SIGSTOP);
        }
    }
    close(homid);
    kill(relay, SIGCONT);
    ring(&pages[0], &line(&pages[0], 1)->submission, 5);
    wait_for(doorbell(1, false), 5);
    homid = dial();
    greet();
}
END_TEST

START_TEST(a_homid_that_has_nothing_ends_it)
{
    close(homid);
    homid = dial();
    greet();
    ck_assert_int_eq(tell(RELAY_SYNCED), 0);
    close(homid);
    ends_well();
    start_relay(); /* for the end of the test */
    homid = dial();
    greet();
}
END_TEST

START_TEST(a_second_homid_replaces_the_first)
{
    struct pollfd entry = {.fd = homid, .events = POLLIN};
    int old = homid;

    homid = dial();
    set_all();
    ck_assert_int_eq(poll(&entry, 1, PATIENCE_MILLISECONDS), 1);
    ck_assert_int_ne(entry.revents & POLLHUP, 0);
    close(old);
}
END_TEST

/* Killed at any moment: the next one goes on from the ledger, and nothing is lost. */
START_TEST(the_next_relay_goes_on)
{
    for (uint32_t i = 1; i <= 20; i++) {
        ring(&pages[0], &line(&pages[0], 1)->submission, 2 * i % ENTRIES);
        if (i % 2)
            wait_for(&ledger[1].submission, 2 * i % ENTRIES);
        kill(relay, SIGKILL);
        waitpid(relay, NULL, 0);
        close(homid);
        bool forwarded = ledger[1].submission == 2 * i % ENTRIES;
        ck_assert(forwarded || i % 2 == 0);
        if (forwarded)
            *doorbell(1, false) = 99; /* the next one has no reason to write it again */
        ring(&pages[1], &line(&pages[1], 2)->submission, i);
        start_relay();
        homid = dial();
        set_all();
        wait_for(doorbell(2, false), i);
        wait_for(doorbell(1, false), forwarded ? 99 : 2 * i % ENTRIES);
    }
}
END_TEST

/* ---- what cannot be ---- */

START_TEST(another_version_is_refused)
{
    struct relay_message hello = {.kind = RELAY_HELLO, .version = RELAY_VERSION + 1, .number = 77};
    size_t came;

    close(homid);
    homid = dial();
    ck_assert_int_eq(relay_send(homid, &hello, NULL, 0), 0);
    struct relay_message answer = hear(&came);
    ck_assert_int_eq(answer.error, -EPROTONOSUPPORT);
    ck_assert_int_eq(add_function(), -EPROTO);
    ck_assert_int_eq(tell(RELAY_END), 0);
    ends_well();
    start_relay();
    close(homid);
    homid = dial();
    greet();
}
END_TEST

START_TEST(nonsense_is_refused)
{
    const int fds[] = {bar_fd, ledger_fd, wake_fd};
    struct relay_message target = {.kind = RELAY_FUNCTION, .target = {.doorbell_stride = 4, .pairs = 4}};
    struct relay_message queue = {.kind = RELAY_QUEUE,
                                  .queue = {.page = pages[0].key, .entries = ENTRIES, .id = 3}};

    ck_assert_int_eq(ask(target, fds, 2), -EINVAL);
    target.target.doorbell_stride = 6;
    ck_assert_int_eq(ask(target, fds, 3), -EINVAL);
    target.target.doorbell_stride = 4;
    target.target.pairs = 0;
    ck_assert_int_eq(ask(target, fds, 3), -EINVAL);
    target.target.pairs = 4;
    target.target.reader_wake_offset = 0x2000;
    ck_assert_int_eq(ask(target, fds, 3), -EINVAL); /* and the descriptor that wakes it? */
    /* What is there must not have changed for that. */
    set_all();
    queue.queue.id = PAIRS + 1;
    ck_assert_int_eq(ask(queue, NULL, 0), -EINVAL);
    queue.queue.id = 0;
    ck_assert_int_eq(ask(queue, NULL, 0), -EINVAL);
    queue.queue.id = 3;
    queue.queue.entries = 1;
    ck_assert_int_eq(ask(queue, NULL, 0), -EINVAL);
    queue.queue.entries = 65537;
    ck_assert_int_eq(ask(queue, NULL, 0), -EINVAL);
    ck_assert_int_eq(ask((struct relay_message){.kind = RELAY_PAGE, .page = {.key = 1}}, NULL, 0), -EINVAL);
    ring(&pages[0], &line(&pages[0], 1)->submission, 5);
    wait_for(doorbell(1, false), 5);
}
END_TEST

/* A BAR whose memory was switched off: its function leads nowhere, and the relay lives. */
START_TEST(a_bar_that_fails_harms_nobody_else)
{
    struct relay_message target = {.kind = RELAY_FUNCTION, .target = {.doorbell_stride = 4, .pairs = 4}};
    struct relay_message message = {.kind = RELAY_PAGE, .number = 1, .version = RELAY_VERSION};
    uint8_t *view, *other_ledger;
    const int fds[] = {memory(BAR_BYTES, &view), memory(4096, &other_ledger),
                       eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    struct page page;
    size_t came;

    make_page(&page);
    target.number = ++number;
    target.version = RELAY_VERSION;
    strcpy(target.function, "0000:02:00.1");
    ck_assert_int_eq(relay_send(homid, &target, fds, 3), 0);
    ck_assert_int_eq(hear(&came).error, 0);
    strcpy(message.function, "0000:02:00.1");
    message.page.key = page.key;
    ck_assert_int_eq(relay_send(homid, &message, &page.fd, 1), 0);
    ck_assert_int_eq(hear(&came).error, 0);
    message.kind = RELAY_QUEUE;
    message.queue.page = page.key;
    message.queue.entries = ENTRIES;
    message.queue.id = 1;
    ck_assert_int_eq(relay_send(homid, &message, NULL, 0), 0);
    ck_assert_int_eq(hear(&came).error, 0);

    ck_assert_int_eq(ftruncate(fds[0], 0), 0);
    line(&page, 1)->submission = 3;
    ck_assert_int_eq(write(fds[2], &(uint64_t){1}, 8), 8);
    wait_for(&((struct doorbells_ledger *)(void *)other_ledger)[1].submission, 3);
    ring(&pages[0], &line(&pages[0], 1)->submission, 5);
    wait_for(doorbell(1, false), 5);
    message.kind = RELAY_FUNCTION_GONE;
    ck_assert_int_eq(relay_send(homid, &message, NULL, 0), 0);
    ck_assert_int_eq(hear(&came).error, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay");
    TCase *tcase = tcase_create("relay");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, values_are_forwarded);
    tcase_add_test(tcase, an_unchanged_value_is_never_written);
    tcase_add_loop_test(tcase, a_value_out_of_range_ends_its_queue_pair_alone, 0, 2);
    tcase_add_test(tcase, a_queue_pair_is_its_pages_alone);
    tcase_add_test(tcase, what_is_gone_is_not_forwarded);
    tcase_add_test(tcase, without_work_it_sleeps_and_is_woken);
    tcase_add_test(tcase, who_does_not_wake_it_is_found_all_the_same);
    tcase_add_test(tcase, the_wake_counter_is_never_read);
    tcase_add_test(tcase, no_wake_up_is_lost);
    tcase_add_test(tcase, it_outlives_homid);
    tcase_add_loop_test(tcase, what_a_dead_homid_said_counts, 0, 2);
    tcase_add_test(tcase, a_homid_that_has_nothing_ends_it);
    tcase_add_test(tcase, a_second_homid_replaces_the_first);
    tcase_add_test(tcase, the_next_relay_goes_on);
    tcase_add_test(tcase, another_version_is_refused);
    tcase_add_test(tcase, nonsense_is_refused);
    tcase_add_test(tcase, a_bar_that_fails_harms_nobody_else);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
