/* SPDX-License-Identifier: BSD-3-Clause */
/* How the server treats its peers: limits, slow and hostile ones, those that die, and those that monitor. */
#include <check.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "daemon/peers/peer.h"
#include "tests/unit/scripted_core.h"

/* ---- limits ---- */

START_TEST(one_too_many_is_told_so)
{
    config.limits.connections_per_uid = 2;
    int held[2] = {dial(API_TENANT), dial(API_TENANT)}, fd = dial(API_TENANT);
    spin();
    ck_assert_uint_eq(server_connections(server), 2);
    say(fd, TENANT("ListTenants", ""));
    ck_assert_heard(fd, "QuotaExceeded\",\"parameters\":{\"quota\":\"connections\",\"limit\":2,\"used\":2}");
    ck_assert_ptr_null(hear(fd));
    close(fd);
    say(held[0], TENANT("ListTenants", ""));
    ck_assert_heard(held[0], "blue");
    close(held[0]);
    spin();
    fd = dial(API_TENANT);
    say(fd, TENANT("ListTenants", ""));
    ck_assert_heard(fd, "blue");
    close(fd);
    close(held[1]);
    spin();
}
END_TEST

START_TEST(tenants_cannot_lock_the_operator_out)
{
    config.limits.connections = 1;
    int held = dial(API_TENANT), refused = dial(API_TENANT), operator= dial(API_ADMIN);
    say(refused, TENANT("ListTenants", ""));
    ck_assert_heard(refused, "QuotaExceeded");
    say(operator, ADMIN("ListDevices", ""));
    ck_assert_heard(operator, "ssd0");
    close(held);
    close(refused);
    close(operator);
    spin();
}
END_TEST

START_TEST(the_refused_do_not_pile_up)
{
    int fds[SERVER_REFUSED_MAX + 2];
    config.limits.connections = 1;
    for (size_t i = 0; i < SERVER_REFUSED_MAX + 2; i++) {
        fds[i] = dial(API_TENANT);
        spin();
    }
    ck_assert_uint_eq(server_connections(server), 1);
    ck_assert_str_eq(hear(fds[0]), "");
    ck_assert_ptr_null(hear(fds[1])); /* the oldest refused one made place for the last */
    ck_assert_str_eq(hear(fds[2]), "");
    for (size_t i = 0; i < SERVER_REFUSED_MAX + 2; i++)
        close(fds[i]);
    spin();
}
END_TEST

START_TEST(accepting_pauses_without_descriptors)
{
    struct rlimit limit, before;
    int held = dial(API_TENANT), waits;
    spin(); /* a socket and a pidfd here: nothing is left for the next */
    ck_assert_uint_eq(server_connections(server), 1);
    waits = dial(API_TENANT);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit.rlim_max = before.rlim_max;
    limit.rlim_cur = (rlim_t)waits + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    spin();
    ck_assert_uint_eq(server_connections(server), 1);
    /* Paused, not spinning: nothing is ready although a connection waits. */
    ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);

    close(held);
    spin();
    say(waits, TENANT("ListTenants", ""));
    limit.rlim_cur = before.rlim_cur;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_heard(waits, "blue");
    close(waits);
    spin();
}
END_TEST

START_TEST(an_idle_connection_is_lean)
{
    /* Beside this: the event of libevent (128 B) and an empty varlink_connection (under 200 B). */
    ck_assert_uint_le(sizeof(struct peer), 192);
}
END_TEST

/* ---- hostile and slow ones ---- */

START_TEST(one_byte_at_a_time_is_served)
{
    static const char call[] = TENANT("ListTenants", "");
    int fd = dial(API_TENANT);
    for (size_t i = 0; i < sizeof call; i++) {
        ck_assert_int_eq(send(fd, call + i, 1, MSG_NOSIGNAL), 1);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    ck_assert_heard(fd, "blue");
    close(fd);
    spin();
}
END_TEST

static const struct {
    const char *text, *error;
} rubbish[] = {
    {"{\"method\":", "MalformedMessage\",\"parameters\":{\"defect\":\"syntax\",\"offsetBytes\":10}"},
    {"[]", "MalformedMessage\",\"parameters\":{\"defect\":\"notObject\""},
    {"{\"method\":\"a.b.C\",\"method\":\"a.b.C\"}",
     "MalformedMessage\",\"parameters\":{\"defect\":\"duplicateKey\""},
    {"{\"method\":3}", "NotACall\",\"parameters\":{\"member\":\"method\"}"},
    {"{}", "NotACall\",\"parameters\":{\"member\":\"method\"}"},
    {"{\"method\":\"a.b.C\",\"parameters\":{\"n\":99999999999999999999}}",
     "MalformedMessage\",\"parameters\":{\"defect\":\"numberOutOfRange\""},
    {"{\"method\":\"a.b.C\",\"parameters\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
     "MessageTooDeep\",\"parameters\":{\"limit\":16,"},
};

START_TEST(rubbish_is_answered_and_ends_the_connection)
{
    int fd = dial(API_TENANT);
    char error[128];
    say(fd, TENANT("ListTenants", ""));
    say(fd, rubbish[_i].text);
    say(fd, TENANT("ListTenants", ""));
    ck_assert_heard(fd, "blue");
    snprintf(error, sizeof error, "{\"error\":\"io.homi.Protocol.%s", rubbish[_i].error);
    ck_assert_heard(fd, error);
    ck_assert_ptr_null(hear(fd));
    ck_assert_uint_eq(server_connections(server), 0);
    ck_assert_uint_eq(core.asked, 0);
    close(fd);
}
END_TEST

START_TEST(an_endless_message_ends_the_connection)
{
    static char block[8192];
    int fd = dial(API_TENANT);
    memset(block, ' ', sizeof block);
    for (unsigned i = 0; i < 12; i++) {
        if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0)
            break;
        spin();
    }
    ck_assert_heard(fd, "io.homi.Protocol.MessageTooLong\",\"parameters\":{\"limitBytes\":65536}");
    ck_assert_ptr_null(hear(fd));
    ck_assert_uint_eq(server_connections(server), 0);
    close(fd);
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_not_read)
{
    static const char call[] = TENANT("ListTenants", "");
    unsigned said = 0, heard = 0;
    int fd = dial(API_TENANT);
    /* Until neither takes more: the answers fill the one direction, the calls the other. */
    for (unsigned idle = 0; idle < 3;) {
        if (send(fd, call, sizeof call, MSG_NOSIGNAL) == (ssize_t)sizeof call) {
            said++;
            idle = 0;
        } else {
            ck_assert_int_eq(errno, EAGAIN);
            idle++;
            spin();
        }
    }
    ck_assert_uint_gt(said, 100);
    const char *text;
    while ((text = hear(fd)) && text[0]) {
        ck_assert_ptr_nonnull(strstr(text, "blue"));
        heard++;
    }
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(heard, said);
    close(fd);
    spin();
}
END_TEST

/* It hears what was wrong once it reads, behind every answer that it was owed. */
START_TEST(rubbish_behind_unread_answers_is_answered_last)
{
    static const char call[] = TENANT("ListTenants", "");
    unsigned said = 0, heard = 0;
    int fd = dial(API_TENANT);
    while (send(fd, call, sizeof call, MSG_NOSIGNAL) == (ssize_t)sizeof call) {
        said++;
        spin();
    }
    while (send(fd, "[]", 3, MSG_NOSIGNAL) < 0) {
        ck_assert_heard(fd, "blue");
        heard++;
    }
    const char *text;
    while ((text = hear(fd)) && strstr(text, "blue"))
        heard++;
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "io.homi.Protocol.MalformedMessage"));
    ck_assert_ptr_null(hear(fd));
    ck_assert_uint_eq(heard, said);
    ck_assert_uint_eq(server_connections(server), 0);
    close(fd);
}
END_TEST

START_TEST(half_closing_still_gets_the_answer)
{
    int fd = dial(API_TENANT);
    say(fd, TENANT("ListTenants", ""));
    shutdown(fd, SHUT_WR);
    ck_assert_heard(fd, "blue");
    ck_assert_ptr_null(hear(fd));
    close(fd);
    spin();
}
END_TEST

/* ---- the end of a process ---- */

START_TEST(a_dead_process_lets_go_though_its_child_holds_the_socket)
{
    int alive[2];
    char byte;
    ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
    pid_t parent = fork();
    ck_assert_int_ge(parent, 0);
    if (parent == 0) {
        int fd = dial(API_TENANT);
        say(fd, TENANT("Detach", "\"lease\":\"l1\""));
        pid_t child = fork();
        if (child == 0) { /* holds the socket until the test lets it go */
            close(alive[1]);
            _exit(read(alive[0], &byte, 1) == 0 ? 0 : 1);
        }
        pause();
    }
    for (unsigned i = 0; i < 200 && core.clients == 0; i++) {
        usleep(10000);
        spin();
    }
    ck_assert_uint_eq(core.clients, 1);
    ck_assert_int_eq(kill(parent, SIGKILL), 0);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    for (unsigned i = 0; i < 200 && core.clients > 0; i++) {
        usleep(10000);
        spin();
    }
    ck_assert_uint_eq(core.clients, 0);
    ck_assert_uint_eq(server_connections(server), 0);
    close(alive[0]);
    close(alive[1]);
}
END_TEST

/* ---- monitors ---- */

#define MONITOR(interface, parameters)                                                                       \
    "{\"method\":\"io.homi." interface ".Monitor\",\"more\":true,\"parameters\":{" parameters "}}"

static void happen(enum core_event_kind kind, const char *tenant_name, const char *text)
{
    server_event(server, &(struct core_event){
                             .kind = kind, .lease = "l9", .tenant = tenant_name, .text = text, .pid = 4});
}

START_TEST(operators_see_what_happens)
{
    happen(CORE_EVENT_FAULT, NULL, "first");
    happen(CORE_EVENT_LEASE_GRANTED, "blue", "second");
    int fd = dial(API_ADMIN), late = dial(API_ADMIN);
    say(fd, MONITOR("Admin", ""));
    ck_assert_str_eq(hear(fd), "");
    say(late, MONITOR("Admin", "\"since\":2"));
    ck_assert_heard(late, "second");
    happen(CORE_EVENT_REFUSED, NULL, "third");
    ck_assert_heard(fd, "\"sequence\":3,\"time\":\"2");
    ck_assert_heard(late, "\"kind\":\"refused\"");

    int third = dial(API_ADMIN);
    say(third, MONITOR("Admin", ""));
    ck_assert_heard(third, "\"quota\":\"monitors\",\"limit\":2,\"used\":2");
    close(fd);
    spin();
    say(third, MONITOR("Admin", "\"since\":1"));
    ck_assert_heard(third, "first");
    close(third);
    close(late);
    spin();
}
END_TEST

START_TEST(the_oldest_events_are_forgotten)
{
    char text[32];
    for (int i = 1; i <= 300; i++) {
        snprintf(text, sizeof text, "event %d", i);
        happen(CORE_EVENT_FAULT, NULL, text);
    }
    int fd = dial(API_ADMIN);
    say(fd, MONITOR("Admin", "\"since\":1"));
    ck_assert_heard(fd, "\"sequence\":45,");
    for (int i = 46; i <= 300; i++)
        ck_assert_ptr_nonnull(strstr(hear(fd), "fault"));
    ck_assert_str_eq(hear(fd), "");
    close(fd);
    spin();
}
END_TEST

START_TEST(a_user_cannot_take_all_monitors)
{
    int own = dial(API_TENANT), more = dial(API_TENANT), operators[2];

    say(own, MONITOR("Tenant", ""));
    ck_assert_str_eq(hear(own), "");
    say(more, MONITOR("Tenant", ""));
    ck_assert_heard(more, "\"limit\":1,\"used\":1");
    /* Operators have theirs apart from the tenants'. */
    for (unsigned i = 0; i < 2; i++) {
        operators[i] = dial(API_ADMIN);
        say(operators[i], MONITOR("Admin", ""));
        ck_assert_str_eq(hear(operators[i]), "");
        close(operators[i]);
    }
    close(own);
    spin();
    say(more, MONITOR("Tenant", ""));
    ck_assert_str_eq(hear(more), "");
    close(more);
    spin();
}
END_TEST

/* Who says much at once gets one answer in a round of the loop, like everybody. */
START_TEST(who_calls_much_delays_nobody)
{
    enum { MANY = 200 };
    char text[64];
    int busy = dial(API_TENANT), other = dial(API_TENANT), came;

    snprintf(text, sizeof text, TENANT("ListTenants", ""));
    for (unsigned i = 0; i < MANY; i++)
        say(busy, text);
    say(other, text);
    for (unsigned i = 0; i < 3; i++)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(ioctl(busy, FIONREAD, &came), 0);
    ck_assert_int_le(came, 4 * 40); /* an answer is less than 40 bytes */
    ck_assert_int_eq(ioctl(other, FIONREAD, &came), 0);
    ck_assert_int_gt(came, 0);
    close(busy);
    close(other);
    spin();
}
END_TEST

START_TEST(tenants_hear_of_their_leases_only)
{
    int fd = dial(API_TENANT);
    say(fd, MONITOR("Tenant", ""));
    spin();
    happen(CORE_EVENT_LEASE_REVOKED, "green", "not yours");
    happen(CORE_EVENT_LEASE_GRANTED, "blue", "not for tenants");
    happen(CORE_EVENT_FUNCTION_RESET, "blue", "the device was reset");
    ck_assert_heard(fd, "{\"lease\":\"l9\",\"kind\":\"functionReset\",\"reason\":\"the device was reset\"}");
    ck_assert_str_eq(hear(fd), "");
    close(fd);
    spin();
}
END_TEST

START_TEST(a_monitor_that_does_not_read_is_dropped)
{
    int fd = dial(API_ADMIN), reader = dial(API_ADMIN);
    say(fd, MONITOR("Admin", ""));
    say(reader, MONITOR("Admin", ""));
    spin();
    for (unsigned i = 0; i < 10000 && server_connections(server) == 2; i++) {
        happen(CORE_EVENT_FAULT, NULL, "again and again and again");
        ck_assert_heard(reader, "again");
    }
    ck_assert_uint_eq(server_connections(server), 1);
    close(fd);
    close(reader);
    spin();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peers");
    TCase *tcase = tcase_create("peers");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, one_too_many_is_told_so);
    tcase_add_test(tcase, tenants_cannot_lock_the_operator_out);
    tcase_add_test(tcase, the_refused_do_not_pile_up);
    tcase_add_test(tcase, accepting_pauses_without_descriptors);
    tcase_add_test(tcase, an_idle_connection_is_lean);
    tcase_add_test(tcase, one_byte_at_a_time_is_served);
    tcase_add_loop_test(tcase, rubbish_is_answered_and_ends_the_connection, 0,
                        sizeof rubbish / sizeof rubbish[0]);
    tcase_add_test(tcase, an_endless_message_ends_the_connection);
    tcase_add_test(tcase, a_peer_that_does_not_read_is_not_read);
    tcase_add_test(tcase, rubbish_behind_unread_answers_is_answered_last);
    tcase_add_test(tcase, half_closing_still_gets_the_answer);
    tcase_add_test(tcase, a_dead_process_lets_go_though_its_child_holds_the_socket);
    tcase_add_test(tcase, operators_see_what_happens);
    tcase_add_test(tcase, the_oldest_events_are_forgotten);
    tcase_add_test(tcase, tenants_hear_of_their_leases_only);
    tcase_add_test(tcase, a_user_cannot_take_all_monitors);
    tcase_add_test(tcase, who_calls_much_delays_nobody);
    tcase_add_test(tcase, a_monitor_that_does_not_read_is_dropped);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
