/* SPDX-License-Identifier: BSD-3-Clause */
/* What direct delegation means on a device: the rule by itself, and on the software SSD in its several
 * characters. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hw/verdict.h"
#include "tests/conformance/rig.h"

/* ---- the rule ---- */

static struct verdict_facts good_facts(void)
{
    static const uint8_t opcodes[] = {0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18};
    struct verdict_facts facts = {.select = true, .effects_known = true};

    for (size_t i = 0; i < sizeof(opcodes); i++)
        facts.admin[opcodes[i]] = true;
    return facts;
}

static void check_facts(const struct verdict_facts *facts, enum hw_confinement confinement, const char *part)
{
    struct hw_verdict verdict;

    verdict_by_facts(facts, &verdict);
    ck_assert_int_eq(verdict.confinement, confinement);
    ck_assert_msg(strstr(verdict.reason, part), "\"%s\" does not say \"%s\"", verdict.reason, part);
}

START_TEST(nothing_against_it)
{
    struct verdict_facts facts = good_facts();

    check_facts(&facts, HW_CONFINED, "refuses");
}
END_TEST

static const struct {
    unsigned bit;
    const char *name;
} optional[] = {{0, "Security"},  {1, "Format NVM"}, {2, "Firmware"}, {3, "Namespace"},
                {4, "Self-test"}, {5, "Directive"},  {6, "NVMe-MI"},  {7, "Virtualization"},
                {8, "Doorbell"},  {10, "Lockdown"}};

START_TEST(what_oacs_offers)
{
    struct verdict_facts facts = good_facts();

    facts.optional_commands = (uint16_t)(1u << optional[_i].bit);
    check_facts(&facts, HW_TRUSTED_ONLY, optional[_i].name);
    facts.optional_commands = 1 << 9; /* Get LBA Status harms nobody */
    check_facts(&facts, HW_CONFINED, "");
}
END_TEST

START_TEST(what_the_log_page_says)
{
    struct verdict_facts facts = good_facts();
    uint8_t log[4 * VERDICT_OPCODES] = {0};

    facts.admin[0x84] = true;
    check_facts(&facts, HW_TRUSTED_ONLY, "Sanitize");
    facts.admin[0x84] = false;
    facts.admin[0xd1] = true;
    check_facts(&facts, HW_CONFINEMENT_UNKNOWN, "vendor command D1h");
    facts.admin[0xd1] = false;
    facts.admin[0x3f] = true;
    check_facts(&facts, HW_CONFINEMENT_UNKNOWN, "admin command 3Fh");
    facts.admin[0x80] = true; /* what is known to be bad counts for more */
    check_facts(&facts, HW_TRUSTED_ONLY, "Format NVM");
    facts = good_facts();
    facts.effects_known = false;
    check_facts(&facts, HW_CONFINEMENT_UNKNOWN, "does not say which");
    facts.subsystem_reset = true;
    check_facts(&facts, HW_TRUSTED_ONLY, "NSSRS");

    log[4 * 0x81] = 0x01;
    log[4 * 0x84] = 0xfe; /* everything but CSUPP */
    facts = (struct verdict_facts){0};
    verdict_read_effects(&facts, log);
    ck_assert(facts.effects_known && facts.admin[0x81] && !facts.admin[0x84] && !facts.admin[0x80]);
}
END_TEST

/* Takes every trial with this outcome; the verdict in the end. */
static enum hw_confinement take_all(const struct verdict_facts *facts, bool features,
                                    struct admin_completion completion, struct hw_verdict *verdict)
{
    const struct admin_completion refused = {.error = -EIO, .status = features ? 0x01 : 0x02};
    struct admin_command command;
    const char *name;
    unsigned number;

    verdict_by_facts(facts, verdict);
    for (number = 0; verdict_trial(facts, number, &command, &name); number++)
        verdict_take(facts, number, (command.opcode == 0x0a) == features ? &completion : &refused, verdict);
    ck_assert_uint_gt(number, 10);
    return verdict->confinement;
}

START_TEST(what_is_tried_can_do_no_harm)
{
    struct verdict_facts facts = good_facts();
    struct admin_command command;
    const char *name;

    for (unsigned number = 0; verdict_trial(&facts, number, &command, &name); number++) {
        ck_assert_uint_eq(command.prp1, 0);
        if (command.opcode == 0x0a)
            continue; /* Get Features changes nothing */
        ck_assert_uint_eq(command.namespace_id, 0xfffffffe);
        ck_assert(command.opcode == 0x0d || command.opcode == 0x15 || command.opcode == 0x1c ||
                  command.opcode == 0x19 || command.opcode == 0x80);
    }
}
END_TEST

START_TEST(what_trials_show)
{
    struct verdict_facts facts = good_facts();
    struct hw_verdict verdict;

    /* Refused: no such opcode, or locked down. Anything else is an execution. */
    ck_assert_int_eq(take_all(&facts, false, (struct admin_completion){-EIO, 0x01, 0, NULL}, &verdict),
                     HW_CONFINED);
    ck_assert_int_eq(take_all(&facts, false, (struct admin_completion){-EIO, 0x23, 0, NULL}, &verdict),
                     HW_CONFINED);
    ck_assert_int_eq(take_all(&facts, false, (struct admin_completion){-EIO, 0x02, 0, NULL}, &verdict),
                     HW_TRUSTED_ONLY);
    ck_assert_ptr_nonnull(strstr(verdict.reason, "no Namespace Management, and executes it"));
    ck_assert_int_eq(take_all(&facts, false, (struct admin_completion){0}, &verdict), HW_TRUSTED_ONLY);
    ck_assert_int_eq(take_all(&facts, false, (struct admin_completion){-EIO, 0, 0, NULL}, &verdict),
                     HW_CONFINEMENT_UNKNOWN);
    /* Features: absent, fixed, changeable; and where the controller cannot say which. */
    ck_assert_int_eq(take_all(&facts, true, (struct admin_completion){-EIO, 0x02, 0, NULL}, &verdict),
                     HW_CONFINED);
    ck_assert_int_eq(take_all(&facts, true, (struct admin_completion){0, 0, 3, NULL}, &verdict), HW_CONFINED);
    ck_assert_int_eq(take_all(&facts, true, (struct admin_completion){0, 0, 4, NULL}, &verdict),
                     HW_TRUSTED_ONLY);
    facts.select = false;
    ck_assert_int_eq(take_all(&facts, true, (struct admin_completion){0, 0, 4, NULL}, &verdict),
                     HW_CONFINEMENT_UNKNOWN);
}
END_TEST

/* ---- the software SSD ---- */

#define SPEC(more)                                                                                           \
    "{\"devices\":[{\"serial\":\"RIG\",\"virtualFunctions\":1,\"queues\":{\"perFunction\":5,\"total\":5},"   \
    "\"interrupts\":{\"perFunction\":4,\"total\":4},\"namespaces\":[{\"id\":1,\"bytes\":\"1M\"}]" more "}]}"

static struct hw_verdict said;

static void keep(void *user, const struct hw_result *result)
{
    if (!result->error)
        said = *result->verdict;
    rig_done(user, result);
}

static const struct {
    const char *spec, *reason;
    enum hw_confinement confinement;
} characters[] = {
    {SPEC(""), "refuses", HW_CONFINED},
    {SPEC(",\"virtualFunctionsRefuse\":false"), "executes", HW_TRUSTED_ONLY},
    /* One that lies: its log page has no Namespace Attachment, and its firmware does. */
    {SPEC(",\"faults\":[{\"action\":\"fail\",\"queue\":0,\"opcode\":21,\"status\":11}]"),
     "no Namespace Attachment, and executes it", HW_TRUSTED_ONLY},
    /* One without the log page. */
    {SPEC(",\"faults\":[{\"action\":\"fail\",\"queue\":0,\"opcode\":2,\"status\":265}]"),
     "does not say which", HW_CONFINEMENT_UNKNOWN},
};

START_TEST(a_software_ssd_is_seen_through)
{
    struct rig *rig = rig_new(characters[_i].spec);

    ck_assert_int_eq(rig_provision(rig, 1, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 0), 0);
    rig->backend->examine(rig->function, keep, rig);
    ck_assert_int_eq(rig_wait(rig), 0);
    ck_assert_msg(said.confinement == characters[_i].confinement &&
                      strstr(said.reason, characters[_i].reason),
                  "%d: %s", (int)said.confinement, said.reason);
    ck_assert_int_eq(rig_close(rig), 0);
    rig_free(rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verdict");
    TCase *tcase = tcase_create("verdict");

    tcase_add_test(tcase, nothing_against_it);
    tcase_add_loop_test(tcase, what_oacs_offers, 0, sizeof(optional) / sizeof(optional[0]));
    tcase_add_test(tcase, what_the_log_page_says);
    tcase_add_test(tcase, what_is_tried_can_do_no_harm);
    tcase_add_test(tcase, what_trials_show);
    tcase_add_loop_test(tcase, a_software_ssd_is_seen_through, 0, sizeof(characters) / sizeof(characters[0]));
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
