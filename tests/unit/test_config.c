/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/config/config.h"

static char folder[64], base[96];

static void write_file(const char *name, const char *content)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(content, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
    char path[128];
    strcpy(folder, "/tmp/homi-test-config.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(base, sizeof base, "%s/homid.conf", folder);
    snprintf(path, sizeof path, "%s/homid.conf.d", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void teardown(void)
{
    static const char *const names[] = {"homid.conf",
                                        "homid.conf.d/10-a.conf",
                                        "homid.conf.d/20-b.conf",
                                        "homid.conf.d/ignored.txt",
                                        "homid.conf.d",
                                        "."};
    char path[192];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    rmdir(folder);
}

static struct config *load(void)
{
    struct config *config = NULL;
    struct config_error error;
    int r = config_load(base, &config, &error);
    ck_assert_msg(r == 0, "%s", error.text);
    return config;
}

START_TEST(everything_has_a_default)
{
    write_file("homid.conf", "{}");
    struct config *config = load();
    ck_assert_uint_eq(config->core.device_count, 0);
    ck_assert_uint_eq(config->core.tenant_count, 0);
    ck_assert_uint_eq(config->core.retry_seconds, 10);
    ck_assert_uint_eq(config->core.wait_milliseconds_max, 60000);
    ck_assert_uint_eq(config->limits.connections, 4096);
    ck_assert_uint_eq(config->limits.connections_per_uid, 256);
    ck_assert_uint_eq(config->limits.connections_per_lease, 64);
    ck_assert_uint_eq(config->limits.lease_sockets, 64);
    ck_assert_uint_eq(config->limits.admin_connections, 64);
    ck_assert_uint_eq(config->limits.monitors, 64);
    ck_assert_uint_eq(config->limits.monitors_per_uid, 32);
    ck_assert_int_eq(config->log_level, LOG_INFO);
    ck_assert_str_eq(config->tenant_socket, "/run/homi/tenant.sock");
    ck_assert_str_eq(config->admin_socket, "/run/homi/admin.sock");
    config_free(config);
}
END_TEST

START_TEST(values_arrive_resolved)
{
    write_file(
        "homid.conf",
        "{ // the lot\n"
        "\"adminGroup\": \"root\", \"logLevel\": \"debug\", \"retrySeconds\": 3, \"relay\": {\"cores\": [3, "
        "1]},\n"
        "\"devices\": [{\"name\": \"ssd0\", \"serial\": \"S1\", \"virtualFunctions\": 4, \"queuePairs\": "
        "3},\n"
        " {\"name\": \"ssd1\", \"address\": \"0000:01:00.0\", \"virtualFunctions\": 2, \"interrupts\": 1}],\n"
        "\"tenants\": [{\"name\": \"blue\", \"trusted\": true, \"users\": [\"root\", 1001], \"groups\": "
        "[7],\n"
        " \"devices\": [\"ssd1\", \"ssd0\"], \"memoryMax\": \"64M\", \"queuePairsMax\": 9,\n"
        " \"namespaces\": [{\"device\": \"ssd0\", \"id\": 2, \"shared\": true}]}]}");
    struct config *config = load();
    ck_assert(config->admin_group_known);
    ck_assert_uint_eq(config->admin_group, 0);
    ck_assert_int_eq(config->log_level, LOG_DEBUG);
    ck_assert_uint_eq(config->core.retry_seconds, 3);
    ck_assert_uint_eq(config->relay_core_count, 2);
    ck_assert_uint_eq(config->relay_cores[0], 3);
    ck_assert_uint_eq(config->relay_cores[1], 1);
    ck_assert_uint_eq(config->core.device_count, 2);
    const struct core_device_config *device = config->core.devices;
    ck_assert_str_eq(device[0].serial, "S1");
    ck_assert_ptr_null(device[0].address);
    ck_assert_uint_eq(device[0].functions, 4);
    ck_assert_uint_eq(device[0].queue_pairs, 3);
    ck_assert_str_eq(device[1].address, "0000:01:00.0");
    ck_assert_uint_eq(device[1].queue_pairs, 1);
    ck_assert_uint_eq(device[1].interrupts, 1);
    ck_assert_uint_eq(config->core.tenant_count, 1);
    const struct core_tenant_config *tenant = config->core.tenants;
    ck_assert(tenant->trusted);
    ck_assert(tenant->direct);
    ck_assert_uint_eq(tenant->uid_count, 2);
    ck_assert_uint_eq(tenant->uids[0], 0);
    ck_assert_uint_eq(tenant->uids[1], 1001);
    ck_assert_uint_eq(tenant->gid_count, 1);
    ck_assert_uint_eq(tenant->gids[0], 7);
    ck_assert_uint_eq(tenant->device_count, 2);
    ck_assert_uint_eq(tenant->devices[0], 1);
    ck_assert_uint_eq(tenant->devices[1], 0);
    ck_assert_uint_eq(tenant->namespace_count, 1);
    ck_assert_uint_eq(tenant->namespaces[0].device, 0);
    ck_assert_uint_eq(tenant->namespaces[0].id, 2);
    ck_assert(tenant->namespaces[0].shared);
    ck_assert_uint_eq(tenant->memory_bytes_max, 64u << 20);
    ck_assert_uint_eq(tenant->queue_pairs_max, 9);
    ck_assert_uint_eq(tenant->functions_max, 1);
    config_free(config);
}
END_TEST

/* trusted, delegation: whether it is direct. */
static const struct {
    const char *keys;
    bool direct;
} delegations[] = {
    {"", false},
    {", \"trusted\": false", false},
    {", \"trusted\": true", true},
    {", \"trusted\": true, \"delegation\": \"relayed\"", false},
    {", \"delegation\": \"direct\"", true}, /* which then needs a device that confines it */
};

START_TEST(who_is_direct)
{
    char text[256];
    snprintf(text, sizeof text, "{\"tenants\": [{\"name\": \"t\"%s}]}", delegations[_i].keys);
    write_file("homid.conf", text);
    struct config *config = load();
    ck_assert_int_eq(config->core.tenants[0].direct, delegations[_i].direct);
    ck_assert_uint_eq(config->relay_core_count, 0);
    config_free(config);
}
END_TEST

START_TEST(fragments_are_laid_over_in_order)
{
    write_file("homid.conf", "{\"limits\": {\"connections\": 10, \"monitors\": 1}, \"devices\": [{\"name\": "
                             "\"a\", \"serial\": \"S1\", \"virtualFunctions\": 1}]}");
    write_file(
        "homid.conf.d/20-b.conf",
        "{\"devices\": [{\"name\": \"a\", \"virtualFunctions\": 3}], \"limits\": {\"connections\": 30}}");
    write_file("homid.conf.d/10-a.conf",
               "{\"devices\": [{\"name\": \"a\", \"virtualFunctions\": 2, \"queuePairs\": 5},"
               " {\"name\": \"b\", \"serial\": \"S2\", \"virtualFunctions\": 1}]}");
    write_file("homid.conf.d/ignored.txt", "not JSON");
    struct config *config = load();
    ck_assert_uint_eq(config->limits.connections, 30);
    ck_assert_uint_eq(config->limits.monitors, 1);
    ck_assert_uint_eq(config->core.device_count, 2);
    ck_assert_str_eq(config->core.devices[0].serial, "S1");
    ck_assert_uint_eq(config->core.devices[0].functions, 3);
    ck_assert_uint_eq(config->core.devices[0].queue_pairs, 5);
    ck_assert_str_eq(config->core.devices[1].name, "b");
    config_free(config);
}
END_TEST

#define DEVICE  "{\"name\": \"d\", \"serial\": \"S\", \"virtualFunctions\": 1}"
#define DEVICES "\"devices\": [" DEVICE "],\n"

/* What is refused, and the line and key that the error must name. */
static const struct {
    const char *content, *where, *what;
} bad[] = {
    {"{\n\"devicez\": []}", ":2: devicez: ", "unknown key"},
    {"{\n\n\"limits\": {\"connection\": 1}}", ":3: limits.connection: ", "unknown key"},
    {"{\"limits\": []}", ":1: limits: ", "must be an object"},
    {"{\"devices\": {}}", ":1: devices: ", "must be a list"},
    {"{\"devices\": [\n 1]}", ":2: devices[0]: ", "must be an object"},
    {"{\"devices\": [{}]}", ":1: devices[0]: ", "must have a name"},
    {"{\"devices\": [{\"name\": \"0x\"}]}", ":1: devices[0].name: ", "must be a name"},
    {"{\"devices\": [{\"name\": \"d\"}]}", ":1: devices[d]: ", "serial or an address"},
    {"{\"devices\": [{\"name\": \"d\", \"serial\": \"S\"}]}", ":1: devices[d]: ", "virtualFunctions"},
    {"{\"devices\": [" DEVICE ",\n" DEVICE "]}", ":2: devices[1].name: ", "there twice"},
    {"{\"devices\": [" DEVICE ",\n {\"name\": \"e\",\n \"serial\": \"S\", \"virtualFunctions\": 1}]}",
     ":3: devices[e].serial: ", "device \"d\" already"},
    {"{\"devices\": [{\"name\": \"d\",\n\"address\": \"1:0.0\", \"virtualFunctions\": 1}]}",
     ":2: devices[d].address: ", "PCI address"},
    {"{\"devices\": [{\"name\": \"d\",\n\"virtualFunctions\": 257}]}",
     ":2: devices[d].virtualFunctions: ", "must be 1 to 256"},
    {"{\"devices\": [{\"name\": \"d\",\n\"virtualFunctions\": \"2\"}]}",
     ":2: devices[d].virtualFunctions: ", "must be an integer"},
    {"{\"limits\": {\"leaseSockets\": 1025}}", ":1: limits.leaseSockets: ", "must be 0 to 1024"},
    {"{\"limits\": {\"connectionsPerLease\": 0}}", ":1: limits.connectionsPerLease: ", "must be 1 to 100000"},
    {"{\"containerLibrary\": \"libhomi.so.0\"}", ":1: containerLibrary: ", "absolute path"},
    {"{\"containerLibrary\": \"/usr/lib/\"}", ":1: containerLibrary: ", "must name a file"},
    {"{" DEVICES "\"tenants\": [{\"name\": \"t\", \"devices\": [\"d\"], \"namespaces\": [{\"device\": \"d\", "
     "\"id\": 1,\n\"scrub\": \"shred\"}]}]}",
     ":3: tenants[t].namespaces[0].scrub: ", "must be none or writeZeroes"},
    {"{" DEVICES "\"tenants\": [{\"name\": \"t\", \"devices\": [\"d\"], \"namespaces\": [{\"device\": \"d\", "
     "\"id\": 1, \"shared\": true,\n\"scrub\": \"writeZeroes\"}]}]}",
     ":3: tenants[t].namespaces[0].scrub: ", "does not go with"},
    {"{" DEVICES "\"tenants\": [{\"name\": \"t\", \"devices\": [\"d\"], \"namespaces\": [{\"device\": \"d\", "
     "\"id\": 1, \"scrub\": \"writeZeroes\"}]},\n{\"name\": \"u\", \"devices\": [\"d\"], \"namespaces\": ["
     "{\"device\": \"d\", \"id\": 1}]}]}",
     ":3: tenants[u].namespaces[0]: ", "not \"shared\" or scrubbed by both"},
    {"{\"retrySeconds\": 0}", ":1: retrySeconds: ", "must be 1 to 3600"},
    {"{\"retrySeconds\": 1.5}", ":1: retrySeconds: ", "must be an integer"},
    {"{\"retrySeconds\": null}", ":1: retrySeconds: ", "must be an integer"},
    {"{\"retrySeconds\": 1,\n\"retrySeconds\": 2}", ":2: ", ""},
    {"{\"retrySeconds\": 99999999999999999999}", ":1: ", ""},
    {"{\n\n\"retrySeconds\": }", ":3: ", ""},
    {"{\"logLevel\": \"loud\"}", ":1: logLevel: ", "err, warning"},
    {"{\"backend\": \"nvme\"}", ":1: backend: ", "must be linux or model"},
    {"{\"backend\": \"model\", \"modelSpecification\": \"x\"}", ":1: modelSpecification: ", "absolute path"},
    {"{\"modelSpecification\": \"/x\"}", ":1: modelSpecification: ", "goes with the backend"},
    {"{\"tenantSocket\": \"run/x\"}", ":1: tenantSocket: ", "absolute path"},
    {"{\"adminGroup\": \"no-such-group-here\"}", ":1: adminGroup: ", "there is no group"},
    {"{\"tenants\": [{\"name\": \"t\",\n\"trusted\": 1}]}", ":2: tenants[t].trusted: ", "true or false"},
    {"{\"tenants\": [{\"name\": \"t\",\n\"delegation\": \"indirect\"}]}",
     ":2: tenants[t].delegation: ", "must be direct or relayed"},
    {"{\"relay\": {\"cores\": [0,\n1024]}}", ":2: relay.cores[1]: ", "0 to 1023"},
    {"{\"relay\": {\"cores\": [2,\n2]}}", ":2: relay.cores[1]: ", "there twice"},
    {"{\"relay\": {\"cores\": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}}",
     ":1: relay.cores: ", "at most 16"},
    {"{\"tenants\": [{\"name\": \"t\",\n\"users\": [\"root\",\n\"no-such-user-here\"]}]}",
     ":3: tenants[t].users[1]: ", "there is no user"},
    {"{\"adminGroup\": 65534}", ":1: adminGroup: ", "every group that it has no number for"},
    {"{\"tenants\": [{\"name\": \"t\",\n\"users\": [65534]}]}",
     ":2: tenants[t].users[0]: ", "every user that it has no number for"},
    {"{\"tenants\": [{\"name\": \"t\",\n\"groups\": [1, 65534]}]}",
     ":2: tenants[t].groups[1]: ", "every group that it has no number for"},
    {"{\"tenants\": [{\"name\": \"t\", \"users\": [\"root\", 0]}]}",
     ":1: tenants[t].users[1]: ", "there twice"},
    {"{\"tenants\": [{\"name\": \"t\", \"users\": [-1]}]}", ":1: tenants[t].users[0]: ", "name or an id"},
    {"{\"tenants\": [{\"name\": \"t\", \"memoryMax\": \"64X\"}]}", ":1: tenants[t].memoryMax: ", "a size"},
    {"{\"tenants\": [{\"name\": \"t\", \"memoryMax\": \"99999999T\"}]}",
     ":1: tenants[t].memoryMax: ", "a size"},
    {"{\"tenants\": [{\"name\": \"t\", \"devices\": [\"d\"]}]}",
     ":1: tenants[t].devices[0]: ", "there is no device \"d\""},
    {"{" DEVICES "\"tenants\": [{\"name\": \"t\", \"namespaces\": [{\"device\": \"d\", \"id\": 1}]}]}",
     ":2: tenants[t].namespaces[0].device: ", "not among the tenant's devices"},
    {"{" DEVICES "\"tenants\": [{\"name\": \"t\", \"devices\": [\"d\"], \"namespaces\": [{\"id\": 1}]}]}",
     ":2: tenants[t].namespaces[0]: ", "a device and an id"},
    {"{" DEVICES "\"tenants\": [{\"name\": \"t\", \"devices\": [\"d\"], \"namespaces\":\n"
     "[{\"device\": \"d\", \"id\": 0}]}]}",
     ":3: tenants[t].namespaces[0].id: ", "must be 1 to"},
    {"{" DEVICES "\"tenants\": [\n"
     "{\"name\": \"t\", \"devices\": [\"d\"], \"namespaces\": [{\"device\": \"d\", \"id\": 1, \"shared\": "
     "true}]},\n"
     "{\"name\": \"u\", \"devices\": [\"d\"], \"namespaces\": [{\"device\": \"d\", \"id\": 1}]}]}",
     ":4: tenants[u].namespaces[0]: ", "tenant \"t\"'s already"},
};

START_TEST(what_is_wrong_is_named_with_its_line)
{
    struct config *config = NULL;
    struct config_error error;
    write_file("homid.conf", bad[_i].content);
    ck_assert_int_eq(config_load(base, &config, &error), -EINVAL);
    ck_assert_ptr_null(config);
    ck_assert_msg(strncmp(error.text, base, strlen(base)) == 0, "%s", error.text);
    ck_assert_msg(strncmp(error.text + strlen(base), bad[_i].where, strlen(bad[_i].where)) == 0,
                  "\"%s\" does not say \"%s\"", error.text, bad[_i].where);
    ck_assert_msg(strstr(error.text, bad[_i].what) != NULL, "\"%s\" does not say \"%s\"", error.text,
                  bad[_i].what);
}
END_TEST

/* An error that only the merged whole shows is put at the file that has the value. */
START_TEST(fragments_are_named)
{
    struct config *config = NULL;
    struct config_error error;
    write_file("homid.conf", "{" DEVICES "\"tenants\": [{\"name\": \"t\", \"devices\": [\"d\"]}]}");
    write_file("homid.conf.d/10-a.conf", "{\"tenants\": [\n{\"name\": \"t\",\n \"devices\": [\"e\"]}]}");
    ck_assert_int_eq(config_load(base, &config, &error), -EINVAL);
    ck_assert_msg(strstr(error.text, "homid.conf.d/10-a.conf:3: tenants[t].devices[0]: ") != NULL, "%s",
                  error.text);
}
END_TEST

/* ---- while homid runs ---- */

#define SSD "{\"name\": \"ssd0\", \"serial\": \"S1\", \"virtualFunctions\": 2}"

static struct config *load_text(const char *text)
{
    write_file("homid.conf", text);
    return load();
}

static const struct {
    const char *devices, *named; /* NULL: may follow */
} successors[] = {
    {SSD, NULL},
    {"", "ssd0"},
    {SSD ", {\"name\": \"ssd1\", \"serial\": \"S2\", \"virtualFunctions\": 1}", "ssd1"},
    {"{\"name\": \"ssd0\", \"serial\": \"S2\", \"virtualFunctions\": 2}", "ssd0"},
    {"{\"name\": \"ssd0\", \"serial\": \"S1\", \"virtualFunctions\": 3}", "ssd0"},
    {"{\"name\": \"ssd0\", \"serial\": \"S1\", \"virtualFunctions\": 2, \"queuePairs\": 2}", "ssd0"},
    {"{\"name\": \"ssd0\", \"address\": \"0000:01:00.0\", \"virtualFunctions\": 2}", "ssd0"},
};

START_TEST(devices_stay_as_they_are_without_a_restart)
{
    struct config *running = load_text("{\"devices\": [" SSD "]}"), *config;
    struct config_error error = {.text = ""};
    char text[512], named[64];

    snprintf(text, sizeof text, "{\"devices\": [%s], \"logLevel\": \"debug\"}", successors[_i].devices);
    config = load_text(text);
    int r = config_reloadable(running, config, &error);
    ck_assert_int_eq(r, successors[_i].named ? -EINVAL : 0);
    snprintf(named, sizeof named, "devices[%s]: ", successors[_i].named ? successors[_i].named : "");
    ck_assert(!successors[_i].named || strncmp(error.text, named, strlen(named)) == 0);
    config_free(config);
    config_free(running);
}
END_TEST

START_TEST(what_needs_a_restart_goes_on)
{
    struct config *running = load_text("{\"tenantSocket\": \"/run/a\", \"limits\": {\"monitors\": 3}}");
    struct config *config = load_text("{\"tenantSocket\": \"/run/b\", \"limits\": {\"monitors\": 4}}");
    char kept[CONFIG_KEPT_BYTES];

    config_keep(config, running, kept);
    ck_assert_str_eq(kept, "tenantSocket, limits.monitors");
    ck_assert_str_eq(config->tenant_socket, "/run/a");
    ck_assert_str_eq(running->tenant_socket, "/run/b");
    ck_assert_uint_eq(config->limits.monitors, 3);
    config_keep(running, config, kept);
    ck_assert_str_eq(config->tenant_socket, "/run/b");
    config_free(config);
    config = load_text("{\"tenantSocket\": \"/run/a\", \"limits\": {\"monitors\": 3}}");
    config_keep(config, running, kept);
    ck_assert_str_eq(kept, "");
    config_free(config);
    config_free(running);
}
END_TEST

START_TEST(a_missing_file_is_an_error)
{
    struct config *config = NULL;
    struct config_error error;
    ck_assert_int_eq(config_load(base, &config, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.text, base));
    ck_assert_ptr_null(config);
}
END_TEST

START_TEST(the_file_that_is_shipped_is_right)
{
    struct config *config = NULL;
    struct config_error error;
    int r = config_load("conf/homid.conf", &config, &error);
    ck_assert_msg(r == 0, "%s", error.text);
    config_free(config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, everything_has_a_default);
    tcase_add_test(tcase, values_arrive_resolved);
    tcase_add_loop_test(tcase, who_is_direct, 0, sizeof delegations / sizeof delegations[0]);
    tcase_add_test(tcase, fragments_are_laid_over_in_order);
    tcase_add_loop_test(tcase, what_is_wrong_is_named_with_its_line, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tcase, fragments_are_named);
    tcase_add_test(tcase, a_missing_file_is_an_error);
    tcase_add_loop_test(tcase, devices_stay_as_they_are_without_a_restart, 0,
                        sizeof successors / sizeof successors[0]);
    tcase_add_test(tcase, what_needs_a_restart_goes_on);
    tcase_add_test(tcase, the_file_that_is_shipped_is_right);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
