/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core on the fake backend, with a clock that the test turns, two devices (ssd0, ssd1) and three tenants:
 * blue (uid 1001) has namespace 1 of each device, green (uid 1002) namespace 2, both share namespace 3 of
 * ssd0; green is not trusted, and relayed; grey (uid 1003) is not trusted, and yet to be direct. uid 1004 may
 * act for blue and green.
 */
#ifndef HOMI_TESTS_UNIT_CORE_FIXTURE_H
#define HOMI_TESTS_UNIT_CORE_FIXTURE_H

#include "daemon/core/core.h"
#include "tests/unit/fake_backend.h"

#define FIXTURE_DEVICES 2
#define BLUE            1001
#define GREEN           1002
#define GREY            1003
#define BOTH            1004
#define STRANGER        1099
#define NOBODY          4194303 /* no process has this pid */

/* What a call was answered. Must live until the answer, or until its client is gone. */
struct answer {
    unsigned count;
    struct core_error error;
    char lease[CORE_NAME_BYTES];
    char functions[CORE_LEASE_DEVICES_MAX][CORE_NAME_BYTES];
    int device_fd, page_fd;
    bool relayed;
    size_t function_count, namespace_count;
    char node[HW_NODE_BYTES]; /* the first one; empty: none */
    uint16_t queue_pairs;
    uint32_t region;
    uint64_t iova;
    uint16_t queue;
    uint32_t submission_doorbell, completion_doorbell, status, value;
    int event_fd;
    uint8_t first_byte;
};

/* As ck_assert_msg, for what is checked a hundred thousand times: Check notes each of its own in a file. */
#define require(condition, ...)                                                                              \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg(__VA_ARGS__);                                                                       \
    } while (0)
#define FIXTURE_RECORDS   4096
#define FIXTURE_BYTES_MAX 992

struct fixture_record {
    uint16_t kind; /* 0: none */
    size_t bytes, kept;
    bool taken;
    int fds[HW_KEPT_FDS_MAX];
    _Alignas(8) uint8_t data[FIXTURE_BYTES_MAX];
};

/* What the core has kept for the next one, in memory. */
struct fixture_keeper {
    struct fixture_record records[FIXTURE_RECORDS];
    uint64_t lease_number;
    unsigned writes, die_at; /* homid is dead from this write on; 0: it is not */
    bool reading;            /* what is kept and not taken is still to be let go */
    uint32_t begun;          /* the connection that said so last */
    struct {
        void (*done)(void *user);
        void *user;
    } let_go[64];
    unsigned let_go_count;
};

struct fixture {
    struct fake fake;
    bool keeps; /* what outlives homid is kept */
    struct core_archive core_archive;
    struct fixture_keeper keeper;
    struct core_device_config devices[FIXTURE_DEVICES];
    struct core_tenant_config tenants[3];
    struct core_config config;
    struct core *core;
    uint64_t now, timer_at;
    unsigned events[CORE_EVENT_QUEUE_FAILED + 1];
    unsigned expelled, killed; /* clients */
    char last_text[HW_REASON_BYTES];
    bool stopped;
    int kept;                                                  /* leases whose keeper is watched */
    struct core_client *gone_on_event;                         /* ends when the next event is told */
    void (*watch)(void *user, const struct core_event *event); /* NULL: nobody */
    void *watch_user;
};

void fixture_init(struct fixture *fixture, unsigned device_count);
void fixture_fini(struct fixture *fixture);
void fixture_start(struct fixture *fixture); /* core_new, core_start, and everything brought up */
void fixture_new(struct fixture *fixture);   /* core_new alone */
void fixture_advance(struct fixture *fixture, uint64_t milliseconds); /* turns the clock, timer by timer */
/* Runs hardware and timers until nothing is left to do, for at most a minute of the clock. */
void fixture_settle(struct fixture *fixture);

/*
 * homid dies, now or at the write before, and another one comes: its core is there, the clients are to be
 * made anew, and fixture_restore brings the rest back.
 */
void fixture_die(struct fixture *fixture, bool (*happens)(void));
void fixture_restore(struct fixture *fixture);
bool fixture_let_go(struct fixture *fixture); /* tells that descriptors are let go; false: none were */
bool fixture_step(struct fixture *fixture);   /* one thing that the core waits for; false: there is none */
void fixture_run(struct fixture *fixture);    /* until nothing is left of that */
unsigned fixture_records(const struct fixture *fixture, uint16_t kind);

struct core_client *fixture_client(struct fixture *fixture, uid_t uid);
struct core_client *fixture_client_at(struct fixture *fixture, uid_t uid, uint32_t connection);
void attach(struct core_client *client, struct core_attach_request request, struct answer *ret_answer);
void register_memory(struct core_client *client, const struct answer *lease, uint64_t bytes,
                     struct answer *ret_answer);
/* A queue pair in slot `slot` (16 KiB each) of the region, on part 0 of the lease. */
void create_pair(struct core_client *client, const struct answer *lease, const struct answer *region,
                 unsigned slot, bool interrupt, struct answer *ret_answer);
/* Attaches, and lets the hardware finish. */
void attach_now(struct fixture *fixture, struct core_client *client, struct core_attach_request request,
                struct answer *ret_answer);
void check_refused(const struct answer *answer, int code);          /* once, with this code */
void check_granted(const struct answer *answer);                    /* once */
void end_with(struct fixture *fixture, struct core_client *client); /* the last one goes: nothing is left */
void on_plain(void *user, const struct core_error *error);
void on_attach(void *user, const struct core_error *error, const struct core_grant *grant);
void on_region(void *user, const struct core_error *error, uint32_t region, uint64_t iova);
void on_queue(void *user, const struct core_error *error, const struct core_queue_grant *queue);
void on_recover(void *user, const struct core_error *error, const struct core_pair_name *pairs, size_t count);
void on_data(void *user, const struct core_error *error, const uint8_t *data, uint32_t value);

/* The public state of a function of a device; its reason in *ret_reason when not NULL ("" for none). */
const char *function_state(struct fixture *fixture, unsigned device, unsigned index);
const char *function_reason(struct fixture *fixture, unsigned device, unsigned index);
const char *device_state_of(struct fixture *fixture, unsigned device);
const char *device_reason_of(struct fixture *fixture, unsigned device);
unsigned functions_in(struct fixture *fixture, const char *state);
unsigned lease_count(struct fixture *fixture);

/* What must always hold: the fake saw nothing wrong, and no VF or exclusive namespace has two tenants. */
void check_invariants(struct fixture *fixture);
/* What must hold when all clients are gone and everything settled: nothing is left of them. */
void check_clean(struct fixture *fixture);

#endif
