/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases as devices of containers: what the files say, and that none is left half written or behind. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/api/container_device.h"

static char directory[] = "/tmp/homi-cdi-XXXXXX", path[64], name[CONTAINER_NAME_BYTES];
static struct hw_nodes nodes = {.count = 1, .paths = {"/dev/vfio/12"}};
static struct core_function_grant function = {.nodes = &nodes};
static struct core_grant grant = {
    .lease = "lease-1", .user = 1001, .functions = &function, .function_count = 1};
static struct container_device device = {.grant = &grant, .socket = "/tmp/lease/lease-1.sock"};

/* The only lease that stands; NULL: none does. */
static const char *stands;

void core_each_lease(struct core *core, void (*each)(void *user, const struct core_lease_view *view),
                     void *user)
{
    (void)core;
    if (stands)
        each(user, &(struct core_lease_view){.name = stands});
}

static void set_up(void)
{
    stands = NULL;
    strcpy(directory, "/tmp/homi-cdi-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/homi-lease-1.json", directory);
    function.nodes = &nodes;
}

static unsigned files(void)
{
    unsigned count = 0;
    struct dirent *entry;
    DIR *all = opendir(directory);
    while ((entry = readdir(all)))
        count += *entry->d_name != '.';
    closedir(all);
    return count;
}

static void tear_down(void)
{
    chmod(directory, 0700);
    stands = NULL;
    container_device_clear(directory, NULL);
    ck_assert_uint_eq(files(), 0);
    rmdir(directory);
}

static void check_file(const char *expected)
{
    json_object *root = json_object_from_file(path);
    ck_assert_ptr_nonnull(root);
    ck_assert_str_eq(
        json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
        expected);
    json_object_put(root);
}

START_TEST(a_loan_has_its_nodes_and_the_way_to_them)
{
    ck_assert_int_eq(container_device_write(directory, &device, name), 0);
    ck_assert_str_eq(name, "io.homi/lease=lease-1");
    check_file("{\"cdiVersion\":\"0.5.0\",\"kind\":\"io.homi/"
               "lease\",\"devices\":[{\"name\":\"lease-1\",\"containerEdits\":"
               "{\"deviceNodes\":[{\"path\":\"/dev/vfio/12\",\"permissions\":\"rw\",\"uid\":1001},"
               "{\"path\":\"/dev/vfio/vfio\",\"permissions\":\"rw\"}],\"env\":[\"HOMI_LEASE=lease-1\"]}}]}");
    container_device_remove(directory, "lease-1");
    ck_assert_uint_eq(files(), 0);
}
END_TEST

START_TEST(a_lease_of_queues_has_the_socket)
{
    function.nodes = NULL;
    ck_assert_int_eq(container_device_write(directory, &device, name), 0);
    check_file("{\"cdiVersion\":\"0.5.0\",\"kind\":\"io.homi/"
               "lease\",\"devices\":[{\"name\":\"lease-1\",\"containerEdits\":"
               "{\"mounts\":[{\"hostPath\":\"/tmp/lease/lease-1.sock\",\"containerPath\":\"/run/homi/"
               "tenant.sock\",\"options\":"
               "[\"bind\",\"rw\"]}],\"env\":[\"HOMI_LEASE=lease-1\",\"HOMI_TENANT_SOCKET=/run/homi/"
               "tenant.sock\"]}}]}");
}
END_TEST

START_TEST(a_container_may_get_the_library_too)
{
    struct container_device with_library = device;
    function.nodes = NULL;
    with_library.library = "/usr/lib/libhomi.so.0";
    ck_assert_int_eq(container_device_write(directory, &with_library, name), 0);
    check_file("{\"cdiVersion\":\"0.5.0\",\"kind\":\"io.homi/"
               "lease\",\"devices\":[{\"name\":\"lease-1\",\"containerEdits\":"
               "{\"mounts\":[{\"hostPath\":\"/tmp/lease/lease-1.sock\",\"containerPath\":\"/run/homi/"
               "tenant.sock\",\"options\":[\"bind\",\"rw\"]},{\"hostPath\":\"/usr/lib/libhomi.so.0\","
               "\"containerPath\":\"/run/homi/lib/libhomi.so.0\",\"options\":[\"bind\",\"ro\"]}],\"env\":["
               "\"HOMI_LEASE=lease-1\",\"HOMI_TENANT_SOCKET=/run/homi/tenant.sock\","
               "\"HOMI_LIBRARY=/run/homi/lib\"]}}]}");
}
END_TEST

START_TEST(a_link_is_not_followed_and_nothing_half_is_left)
{
    char unfinished[64];
    snprintf(unfinished, sizeof unfinished, "%s/homi-lease-1.unfinished", directory);
    ck_assert_int_eq(symlink("/dev/full", unfinished), 0);
    ck_assert_int_eq(container_device_write(directory, &device, name), -ELOOP);
    ck_assert_uint_eq(files(), 0);
    ck_assert_int_eq(container_device_write("/nowhere/at/all", &device, name), -ENOENT);
}
END_TEST

START_TEST(what_others_put_there_stays)
{
    char other[64];
    snprintf(other, sizeof other, "%s/nvidia.json", directory);
    fclose(fopen(other, "w"));
    ck_assert_int_eq(container_device_write(directory, &device, name), 0);
    container_device_clear(directory, NULL);
    ck_assert_uint_eq(files(), 1);
    unlink(other);
}
END_TEST

START_TEST(the_description_of_a_lease_that_stands_stays)
{
    char left[64];
    snprintf(left, sizeof left, "%s/homi-lease-1.unfinished", directory);
    ck_assert_int_eq(container_device_write(directory, &device, name), 0);
    fclose(fopen(left, "w"));
    stands = "lease-1";
    container_device_clear(directory, NULL);
    ck_assert_uint_eq(files(), 1);
    ck_assert_int_eq(access(path, F_OK), 0);
    stands = "lease-11";
    container_device_clear(directory, NULL);
    ck_assert_uint_eq(files(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("container_device");
    TCase *tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_loan_has_its_nodes_and_the_way_to_them);
    tcase_add_test(tcase, a_lease_of_queues_has_the_socket);
    tcase_add_test(tcase, a_container_may_get_the_library_too);
    tcase_add_test(tcase, a_link_is_not_followed_and_nothing_half_is_left);
    tcase_add_test(tcase, what_others_put_there_stays);
    tcase_add_test(tcase, the_description_of_a_lease_that_stands_stays);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
