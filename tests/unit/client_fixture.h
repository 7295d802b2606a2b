/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of libhomi share: a connection to a fake homid, a memfd that stands for the VFIO device,
 * good replies, and a count of descriptors before and after each test. One test runs at a time, in a process
 * of its own.
 */
#ifndef HOMI_TESTS_UNIT_CLIENT_FIXTURE_H
#define HOMI_TESTS_UNIT_CLIENT_FIXTURE_H

#include <check.h>
#include <homi/homi.h>

#include "tests/unit/fake_homid.h"

#define TENANT "io.homi.Tenant."

#define NAMESPACE "{\"id\":2,\"blockBytes\":512,\"blocks\":131072,\"shared\":false}"
#define FUNCTION_FORMAT                                                                                      \
    "{\"name\":\"0000:01:00.%d\",\"device\":\"ssd0\",\"controllerId\":1,\"delegation\":\"direct\","          \
    "\"deviceFd\":%d,\"barOffsetBytes\":0,\"barBytes\":16384,\"doorbellStrideBytes\":4,\"pageBytes\":4096,"  \
    "\"maxTransferBytes\":524288,\"queueEntriesMax\":2048,\"queuePairs\":3,\"interrupts\":1,"                \
    "\"optionalCommands\":12,\"volatileWriteCache\":true,\"namespaces\":[" NAMESPACE "]}"
#define GRANT_FORMAT "{\"parameters\":{\"lease\":\"blue-1\",\"virtualFunctions\":[" FUNCTION_FORMAT "]}}"
#define PAIR                                                                                                 \
    "{\"parameters\":{\"queuePair\":1,\"submissionDoorbellOffsetBytes\":4104,"                               \
    "\"completionDoorbellOffsetBytes\":4108}}"
#define PAIR_TWO                                                                                             \
    "{\"parameters\":{\"queuePair\":2,\"submissionDoorbellOffsetBytes\":4112,"                               \
    "\"completionDoorbellOffsetBytes\":4116}}"
#define REGION "{\"parameters\":{\"region\":7,\"iova\":1048576}}"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

struct client_fixture {
    struct fake_homid *fake;
    struct homi *homi;
    unsigned fds_before;
    int bar;          /* BAR 0, of a controller that is ready */
    char grant[2048]; /* a good reply to Attach; a test may spoil it */
};

extern struct client_fixture fixture;

/* A test case of the suite with the fixture around each of its tests. */
TCase *client_test_case(Suite *suite, const char *name);

/* Starts the fake with these steps and connects. */
void client_start(const struct fake_step *steps, size_t count);
void client_start_with(const char *reply);

/* Starts the fake with a grant, then these steps, and attaches. */
struct homi_lease *client_attach(const struct fake_step *more, size_t count);

/* Runs the suite; the exit status of its program. */
int client_run(Suite *suite);

#endif
