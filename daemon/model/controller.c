/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of a controller (NVMe Base 2.0, section 3.1.3; offsets: NVMe over PCIe 1.0, figure 4). They
 * lie in memory that whoever holds the BAR may write, so what the controller itself relies on is kept apart:
 * CC is acted upon when it differs from the last value, and what it must not do is put right again.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum {
    VERSION_2_0 = 0x00020000,
    CC_ENABLE = 1,
    CSTS_SHUTDOWN_COMPLETE = 2 << 2,
    CSTS_SHUTDOWN_MASK = 3 << 2,
    REGISTERS_BYTES = 0x1000,
    ADMIN_ENTRIES_MIN = 2,
};

static uint32_t get32(const struct function *function, unsigned offset)
{
    return le32toh(*(volatile uint32_t *)(function->bar + offset));
}

static uint64_t get64(const struct function *function, unsigned offset)
{
    return get32(function, offset) | (uint64_t)get32(function, offset + 4) << 32;
}

static void set32(struct function *function, unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(function->bar + offset) = htole32(value);
}

uint32_t controller_status(const struct function *function)
{
    return get32(function, REGISTER_CSTS);
}

/* Section 3.1.3.1: CQR, one command set, pages of 4 KiB only. */
static uint64_t capabilities(const struct device_spec *spec)
{
    uint64_t cap = UINT64_C(1) << 16 | (uint64_t)spec->doorbell_stride_shift << 32;

    if (rule(RULE_CAP_ENTRIES))
        cap |= spec->queue_entries_max - 1;
    if (rule(RULE_CAP_TIMEOUT))
        cap |= (uint64_t)spec->timeout_halves << 24;
    if (rule(RULE_CAP_COMMAND_SET))
        cap |= UINT64_C(1) << 37;
    if (!rule(RULE_CAP_PAGES) || !rule(RULE_CAP_PAGES_ORDER))
        cap |= UINT64_C(1) << 48;
    return cap;
}

void controller_start(struct function *function)
{
    uint64_t cap = capabilities(function->device->spec);

    /* All but the last page, with the wake word: that is the poller's. */
    memset(function->bar, 0, function->bar_bytes - PAGE_BYTES);
    set32(function, REGISTER_CAP, (uint32_t)cap);
    set32(function, REGISTER_CAP + 4, (uint32_t)(cap >> 32));
    set32(function, REGISTER_VS, rule(RULE_VERSION) ? VERSION_2_0 : 0);
    function->configuration = 0;
}

void controller_fail(struct function *function, const char *reason)
{
    if (controller_status(function) & CSTS_FATAL)
        return;
    world_log(function, "controller fatal status: %s", reason);
    function->enabled = false;
    set32(function, REGISTER_CSTS, controller_status(function) | CSTS_FATAL);
    /* Whoever waits for an interrupt looks at the status then. */
    completion_signal(function, 0);
}

void controller_vanish(struct function *function)
{
    function->enabled = false;
    function->ready_at = 0;
    function->configuration = UINT32_MAX;
    memset(function->bar, 0xff, REGISTERS_BYTES);
    completion_signal(function, 0);
}

static void drop_deferred(struct function *function)
{
    struct deferred *deferred;

    while ((deferred = TAILQ_FIRST(&function->deferred))) {
        TAILQ_REMOVE(&function->deferred, deferred, link);
        free(deferred);
    }
    function->deferred_count = 0;
}

/* Section 3.7.2: everything but the admin queue's registers goes back to its initial state. */
void controller_reset(struct function *function)
{
    unsigned queues = rule(RULE_RESET_QUEUES) ? function->queue_count : 1;
    uint32_t status = rule(RULE_SHUTDOWN_ENDS) ? 0 : controller_status(function) & CSTS_SHUTDOWN_MASK;

    function->enabled = false;
    function->ready_at = 0;
    for (uint16_t id = 0; id < queues && id < function->queue_count; id++) {
        submission_close(function, id);
        completion_close(function, id);
    }
    drop_deferred(function);
    if (rule(RULE_RESET_FEATURES))
        memset(function->features, 0, sizeof(function->features));
    if (rule(RULE_RESET_QUEUE_COUNT))
        function->queues_created = false;
    if (rule(RULE_RESET_AER))
        function->event_request_count = 0;
    function->event_count = function->changed_count = 0;
    function->events_masked = 0;
    if (!rule(RULE_RESET_KEEPS_AQA))
        set32(function, REGISTER_AQA, 0);
    if (!rule(RULE_ATTACH_KEPT))
        device_detach_all(function);
    set32(function, REGISTER_CSTS, rule(RULE_DISABLE) ? status : CSTS_READY);
}

static const char *enable_defect(const struct function *function, uint32_t configuration)
{
    uint32_t sizes = get32(function, REGISTER_AQA);
    uint32_t submissions = (sizes & 0xfff) + 1, completions = (sizes >> 16 & 0xfff) + 1;

    if (configuration >> 4 & 7)
        return "CC.CSS selects a command set that it does not have";
    if (configuration >> 7 & 0xf)
        return "CC.MPS is outside CAP.MPSMIN to CAP.MPSMAX";
    if (configuration >> 11 & 7)
        return "CC.AMS selects an arbitration that it does not have";
    if (!rule(RULE_AQA_TWO) && submissions == 2)
        return "AQA gives the admin queue two entries";
    if (submissions < ADMIN_ENTRIES_MIN || completions < ADMIN_ENTRIES_MIN)
        return "AQA gives the admin queue less than two entries";
    if ((get64(function, REGISTER_ASQ) | get64(function, REGISTER_ACQ)) % PAGE_BYTES)
        return "ASQ or ACQ is not aligned to a page";
    return NULL;
}

static void enable(struct function *function, uint32_t configuration)
{
    const struct fault_spec *fault;
    uint32_t sizes = get32(function, REGISTER_AQA);
    const char *defect = enable_defect(function, configuration);

    if (!function_usable(function) && rule(RULE_OFFLINE_OPEN))
        defect = "the secondary controller is offline";
    if (defect) {
        controller_fail(function, defect);
        return;
    }
    completion_open(function, 0, get64(function, REGISTER_ACQ), (sizes >> 16 & 0xfff) + 1);
    submission_open(function, 0, get64(function, REGISTER_ASQ), (sizes & 0xfff) + 1, 0);
    function->completion[0].interrupts = rule(RULE_ADMIN_INTERRUPT);
    fault = faults_step(&function->device->faults, STEP_READY, (int)function->index);
    if (!fault)
        function->ready_at = 1;
    else if (fault->action == FAULT_STEP_HANG && fault->milliseconds)
        function->ready_at = world_now() + fault->milliseconds;
    else
        function->ready_at = UINT64_MAX;
    controller_tick(function, world_now());
}

void controller_tick(struct function *function, uint64_t now)
{
    if (function->ready_at == 0 || now < function->ready_at)
        return;
    if (!rule(RULE_ENABLE))
        return;
    function->ready_at = 0;
    function->enabled = true;
    set32(function, REGISTER_CSTS, CSTS_READY);
}

void controller_registers(struct function *function)
{
    uint32_t configuration = get32(function, REGISTER_CC), before = function->configuration;

    if (configuration == before)
        return;
    function->configuration = configuration;
    if (function->device->absent)
        return;
    if (before & CC_ENABLE && !(configuration & CC_ENABLE))
        controller_reset(function);
    else if (!(before & CC_ENABLE) && configuration & CC_ENABLE)
        enable(function, configuration);
    if (!rule(RULE_CC_KEPT)) {
        function->configuration = configuration ^ 1u << 24;
        set32(function, REGISTER_CC, function->configuration);
    }
    /* Section 3.6.1: a shutdown is complete at once, since nothing is kept back. */
    bool completes = rule(configuration >> 14 & 1 ? RULE_SHUTDOWN_NORMAL : RULE_SHUTDOWN_ABRUPT);
    if ((configuration >> 14 & 3) && configuration & CC_ENABLE && completes)
        set32(function, REGISTER_CSTS,
              (controller_status(function) & ~(uint32_t)CSTS_SHUTDOWN_MASK) | CSTS_SHUTDOWN_COMPLETE);
}
