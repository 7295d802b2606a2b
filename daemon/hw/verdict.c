/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/verdict.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    EFFECTS_SUPPORTED = 1, /* CSUPP */
    VENDOR_FIRST = 0xc0,
    GET_FEATURES = 0x0a,
    SELECT_CAPABILITIES = 3 << 8, /* SEL of Get Features */
    CHANGEABLE = 1 << 2,
    STATUS_INVALID_OPCODE = 0x01,
    STATUS_PROHIBITED = 0x23, /* by Command and Feature Lockdown */
    NAMESPACE_NONE = -2,      /* FFFFFFFEh: no namespace, and not all of them */
};

/* Admin opcodes that concern nothing but the controller that executes them. */
static const uint8_t allowed[] = {0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18, 0x86};

/* Others that a VF may say it has, by the bit of OACS that says so as well (-1: none does). */
static const struct {
    const char *name;
    uint8_t opcode;
    int oacs;
} dangerous[] = {
    {"Namespace Management", 0x0d, 3},
    {"Firmware Commit", 0x10, 2},
    {"Firmware Image Download", 0x11, 2},
    {"Device Self-test", 0x14, 4},
    {"Namespace Attachment", 0x15, 3},
    {"Directive Send", 0x19, 5},
    {"Directive Receive", 0x1a, 5},
    {"Virtualization Management", 0x1c, 7},
    {"NVMe-MI Send", 0x1d, 6},
    {"NVMe-MI Receive", 0x1e, 6},
    {"Capacity Management", 0x20, -1},
    {"Lockdown", 0x24, 10},
    {"Doorbell Buffer Config", 0x7c, 8},
    {"Fabrics", 0x7f, -1},
    {"Format NVM", 0x80, 1},
    {"Security Send", 0x81, 0},
    {"Security Receive", 0x82, 0},
    {"Sanitize", 0x84, -1},
};

/*
 * Sent although the controller says that it has not got them. Each names a namespace that cannot be and an
 * action that is reserved, so that where the command is there after all, it is an invalid one.
 */
static const struct {
    const char *name;
    uint8_t opcode;
    uint32_t dword10, dword11;
} commands[] = {
    {"Namespace Management", 0x0d, 0xf, 0},
    {"Namespace Attachment", 0x15, 0xf, 0},
    {"Virtualization Management", 0x1c, 0xffff000f, 0},
    {"Directive Send", 0x19, 0, 0xffffffff},
    {"Format NVM", 0x80, 0xfffff, 0},
};

/* Features whose scope is more than a controller, or that outlast the lease. They are only read. */
static const struct {
    const char *name;
    uint8_t id;
} features[] = {
    {"Read Recovery Level", 0x12},
    {"Predictable Latency Mode Config", 0x13},
    {"Predictable Latency Mode Window", 0x14},
    {"Sanitize Config", 0x17},
    {"Endurance Group Event Configuration", 0x18},
    {"Spinup Control", 0x1a},
    {"Namespace Write Protection Config", 0x84},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_allowed(unsigned opcode)
{
    for (size_t i = 0; i < COUNT(allowed); i++) {
        if (allowed[i] == opcode)
            return true;
    }
    return false;
}

static const char *name_of(unsigned opcode)
{
    for (size_t i = 0; i < COUNT(dangerous); i++) {
        if (dangerous[i].opcode == opcode)
            return dangerous[i].name;
    }
    return NULL;
}

void verdict_read_effects(struct verdict_facts *facts, const uint8_t *log)
{
    for (unsigned opcode = 0; opcode < VERDICT_OPCODES; opcode++)
        facts->admin[opcode] = log[4 * opcode] & EFFECTS_SUPPORTED;
    facts->effects_known = true;
}

__attribute__((format(printf, 3, 4))) static void
judge(struct hw_verdict *verdict, enum hw_confinement confinement, const char *format, ...)
{
    va_list arguments;

    /* What is known to be bad is not made better by what is not known. */
    if (verdict->confinement == HW_TRUSTED_ONLY || confinement == verdict->confinement)
        return;
    verdict->confinement = confinement;
    va_start(arguments, format);
    vsnprintf(verdict->reason, sizeof(verdict->reason), format, arguments);
    va_end(arguments);
}

/* Opcodes that the log page says are there and that are not on the list. */
static void judge_effects(const struct verdict_facts *facts, struct hw_verdict *verdict)
{
    for (unsigned opcode = 0; opcode < VERDICT_OPCODES; opcode++) {
        const char *name = name_of(opcode);
        if (!facts->admin[opcode] || is_allowed(opcode))
            continue;
        if (name)
            judge(verdict, HW_TRUSTED_ONLY, "it executes %s on a VF", name);
        else
            judge(verdict, HW_CONFINEMENT_UNKNOWN,
                  "it executes %s command %02Xh, and nobody knows what that does",
                  opcode >= VENDOR_FIRST ? "vendor" : "admin", opcode);
    }
}

void verdict_by_facts(const struct verdict_facts *facts, struct hw_verdict *ret_verdict)
{
    struct hw_verdict verdict = {.confinement = HW_CONFINED,
                                 .reason = "it refuses on a VF what concerns others"};

    if (facts->subsystem_reset)
        judge(&verdict, HW_TRUSTED_ONLY, "a VF can reset the whole NVM subsystem (CAP.NSSRS)");
    for (size_t i = 0; i < COUNT(dangerous); i++) {
        if (dangerous[i].oacs >= 0 && facts->optional_commands & 1u << dangerous[i].oacs)
            judge(&verdict, HW_TRUSTED_ONLY, "it executes %s on a VF", dangerous[i].name);
    }
    if (facts->effects_known)
        judge_effects(facts, &verdict);
    else
        judge(&verdict, HW_CONFINEMENT_UNKNOWN, "it does not say which commands a VF executes");
    *ret_verdict = verdict;
}

bool verdict_trial(const struct verdict_facts *facts, unsigned number, struct admin_command *ret_command,
                   const char **ret_name)
{
    if (number < COUNT(commands)) {
        *ret_command = (struct admin_command){.opcode = commands[number].opcode,
                                              .namespace_id = (uint32_t)NAMESPACE_NONE,
                                              .dword10 = commands[number].dword10,
                                              .dword11 = commands[number].dword11};
        *ret_name = commands[number].name;
        return true;
    }
    number -= COUNT(commands);
    if (number >= COUNT(features))
        return false;
    *ret_command =
        (struct admin_command){.opcode = GET_FEATURES,
                               .dword10 = features[number].id | (facts->select ? SELECT_CAPABILITIES : 0u),
                               .data = true};
    *ret_name = features[number].name;
    return true;
}

static void take_feature(const char *name, bool told, const struct admin_completion *completion,
                         struct hw_verdict *verdict)
{
    if (completion->error)
        return; /* it has no such feature */
    if (told && completion->value & CHANGEABLE)
        judge(verdict, HW_TRUSTED_ONLY, "a VF can change %s", name);
    if (!told)
        judge(verdict, HW_CONFINEMENT_UNKNOWN, "it does not say whether a VF can change %s", name);
}

void verdict_take(const struct verdict_facts *facts, unsigned number,
                  const struct admin_completion *completion, struct hw_verdict *verdict)
{
    if (completion->error && !completion->status) {
        judge(verdict, HW_CONFINEMENT_UNKNOWN, "it did not answer all that it was asked");
        return;
    }
    if (number >= COUNT(commands)) {
        take_feature(features[number - COUNT(commands)].name, facts->select, completion, verdict);
        return;
    }
    if (completion->status != STATUS_INVALID_OPCODE && completion->status != STATUS_PROHIBITED)
        judge(verdict, HW_TRUSTED_ONLY, "it says that a VF has no %s, and executes it",
              commands[number].name);
}
