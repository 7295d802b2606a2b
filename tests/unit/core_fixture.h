/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core on the fake backend, with a clock that the test turns, two devices (ssd0, ssd1) and three tenants:
 * blue (uid 1001) has namespace 1 of each device, green (uid 1002) namespace 2, both share namespace 3 of
 * ssd0; grey (uid 1003) is not trusted. uid 1004 may act for blue and green.
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
    int device_fd;
    size_t function_count, namespace_count;
    char node[HW_NODE_BYTES]; /* the first one; empty: none */
    uint16_t queue_pairs;
    uint32_t region;
    uint64_t iova;
    uint16_t queue;
    uint32_t submission_doorbell, completion_doorbell, value;
    int event_fd;
    uint8_t first_byte;
};

struct fixture {
    struct fake fake;
    struct core_device_config devices[FIXTURE_DEVICES];
    struct core_tenant_config tenants[3];
    struct core_config config;
    struct core *core;
    uint64_t now, timer_at;
    unsigned events[CORE_EVENT_NAMESPACE_CHANGED + 1];
    unsigned expelled, killed; /* clients */
    char last_text[HW_REASON_BYTES];
    bool stopped;
    int kept;                          /* leases whose keeper is watched */
    struct core_client *gone_on_event; /* ends when the next event is told */
};

void fixture_init(struct fixture *fixture, unsigned device_count);
void fixture_fini(struct fixture *fixture);
void fixture_start(struct fixture *fixture); /* core_new, core_start, and everything brought up */
void fixture_new(struct fixture *fixture);   /* core_new alone */
void fixture_advance(struct fixture *fixture, uint64_t milliseconds); /* turns the clock, timer by timer */
/* Runs hardware and timers until nothing is left to do, for at most a minute of the clock. */
void fixture_settle(struct fixture *fixture);

struct core_client *fixture_client(struct fixture *fixture, uid_t uid);
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
void on_queue(void *user, const struct core_error *error, uint16_t id, uint32_t submission_doorbell,
              uint32_t completion_doorbell, int event_fd);
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
