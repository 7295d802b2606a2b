/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/control/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/control/wire.h"

enum {
    READY_MILLISECONDS = 120000,
    POLL_MILLISECONDS = 20,
};

static int write_config(const struct rig *rig, const struct rig_options *options, const char *path)
{
    FILE *file = fopen(path, "w");

    if (!file)
        return -errno;
    fprintf(file,
            "{\"adminGroup\":%u,\"tenantSocket\":\"%s\",\"adminSocket\":\"%s\",\"logLevel\":\"warning\",",
            (unsigned)getgid(), rig->tenant_socket, rig->admin_socket);
    fprintf(file, "\"limits\":{\"connections\":%u,\"connectionsPerUid\":%u},\"devices\":[",
            options->connections, options->connections);
    for (unsigned i = 0; i < options->devices; i++)
        fprintf(file,
                "%s{\"name\":\"ssd%u\",\"serial\":\"BENCH%u\",\"virtualFunctions\":%u,\"queuePairs\":%u}",
                i ? "," : "", i, i, options->functions, options->queue_pairs);
    fprintf(file, "],\"tenants\":[{\"name\":\"bench\",\"trusted\":true,\"users\":[%u],\"devices\":[",
            (unsigned)getuid());
    for (unsigned i = 0; i < options->devices; i++)
        fprintf(file, "%s\"ssd%u\"", i ? "," : "", i);
    fprintf(file, "],\"namespaces\":[");
    for (unsigned i = 0; i < options->devices; i++)
        fprintf(file, "%s{\"device\":\"ssd%u\",\"id\":1}", i ? "," : "", i);
    fprintf(
        file,
        "],\"virtualFunctionsMax\":1024,\"queuePairsMax\":65536,\"memoryMax\":\"64G\",\"connectionsMax\":%u,"
        "\"regionsMax\":65535,\"waitingMax\":1024,\"queuePairsPerSecond\":1000000}]}\n",
        options->connections);
    return fclose(file) == 0 ? 0 : -errno;
}

/* --model=SPEC, allocated. */
static char *model_argument(const struct rig_options *options)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);

    if (!stream)
        return NULL;
    fprintf(stream, "--model={\"devices\":[");
    for (unsigned i = 0; i < options->devices; i++)
        fprintf(stream,
                "%s{\"serial\":\"BENCH%u\",\"virtualFunctions\":%u,\"queues\":{\"perFunction\":%u},"
                "\"interrupts\":{\"perFunction\":%u},\"namespaces\":[{\"id\":1,\"bytes\":\"1G\",\"backing\":"
                "\"null\"}]}",
                i ? "," : "", i, options->functions, options->queue_pairs + 1, options->queue_pairs + 1);
    fprintf(stream, "]}");
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static int start_homid(struct rig *rig, const char *config, const char *model, const char *log)
{
    char program[512];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - sizeof("/../homid"));

    if (length < 0)
        return -errno;
    program[length] = '\0';
    strcpy(strrchr(program, '/'), "/../homid");
    rig->homid = fork();
    if (rig->homid < 0)
        return -errno;
    if (rig->homid > 0)
        return 0;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || dup2(file, STDERR_FILENO) < 0)
        _exit(127);
    setenv("XDG_RUNTIME_DIR", rig->directory, 1);
    execl(program, "homid", "--config", config, model, (char *)NULL);
    _exit(127);
}

static bool is_ready(const char *socket)
{
    static const char request[] = "{\"method\":\"io.homi.Admin.GetStatus\"}";
    static char reply[WIRE_REPLY_BYTES_MAX];
    int fd = wire_connect(socket);
    bool ready = fd >= 0 && wire_call(fd, request, sizeof(request), reply, NULL) > 0 &&
                 strstr(reply, "\"ready\":true");

    if (fd >= 0)
        close(fd);
    return ready;
}

static int wait_ready(struct rig *rig)
{
    const struct timespec pause = {.tv_nsec = POLL_MILLISECONDS * 1000000L};

    for (unsigned waited = 0; waited < READY_MILLISECONDS; waited += POLL_MILLISECONDS) {
        if (is_ready(rig->admin_socket))
            return 0;
        if (waitpid(rig->homid, NULL, WNOHANG) == rig->homid) {
            rig->homid = 0;
            return -ECHILD;
        }
        nanosleep(&pause, NULL);
    }
    return -ETIMEDOUT;
}

/* The model process is homid's only child that stays. */
static pid_t find_model(pid_t homid)
{
    char path[64], name[64] = "";
    int pid = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)homid, (int)homid);
    FILE *children = fopen(path, "r");
    while (children && fscanf(children, "%d", &pid) == 1) {
        snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        FILE *file = fopen(path, "r");
        bool is_model = file && fgets(name, sizeof(name), file) && strcmp(name, "homid-model\n") == 0;
        if (file)
            fclose(file);
        if (is_model)
            break;
        pid = 0;
    }
    if (children)
        fclose(children);
    return pid;
}

static void print_file(const char *path)
{
    char line[512];
    FILE *file = fopen(path, "r");

    while (file && fgets(line, sizeof(line), file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}

int rig_start(const struct rig_options *options, struct rig *ret_rig)
{
    struct rig *rig = ret_rig;
    char *model = model_argument(options);
    char config[96], log[96];
    int r = model ? 0 : -ENOMEM;

    *rig = (struct rig){.directory = "/tmp/homi-bench-XXXXXX"};
    if (r == 0 && !mkdtemp(rig->directory)) {
        rig->directory[0] = '\0';
        r = -errno;
    }
    snprintf(config, sizeof(config), "%s/homid.conf", rig->directory);
    snprintf(log, sizeof(log), "%s/log", rig->directory);
    snprintf(rig->tenant_socket, sizeof(rig->tenant_socket), "%s/tenant.sock", rig->directory);
    snprintf(rig->admin_socket, sizeof(rig->admin_socket), "%s/admin.sock", rig->directory);
    if (r == 0)
        r = write_config(rig, options, config);
    if (r == 0)
        r = start_homid(rig, config, model, log);
    if (r == 0)
        r = wait_ready(rig);
    free(model);
    if (r == 0) {
        rig->model = find_model(rig->homid);
        return 0;
    }
    fprintf(stderr, "bench: homid does not become ready: %s\n", strerror(-r));
    print_file(log);
    rig_stop(rig);
    return r;
}

void rig_stop(struct rig *rig)
{
    static const char *const files[] = {"homid.conf", "log", "tenant.sock", "admin.sock", "homi/model.sock"};
    char path[128];

    if (rig->homid > 0) {
        pid_t model = rig->model > 0 ? rig->model : find_model(rig->homid);
        kill(rig->homid, SIGTERM);
        waitpid(rig->homid, NULL, 0);
        if (model > 0)
            kill(model, SIGTERM);
    }
    rig->homid = rig->model = 0;
    if (!rig->directory[0])
        return;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", rig->directory, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/homi", rig->directory);
    rmdir(path);
    rmdir(rig->directory);
    rig->directory[0] = '\0';
}

uint64_t rig_cpu_nanoseconds(pid_t pid)
{
    char path[64];
    unsigned long long nanoseconds = 0;

    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%llu", &nanoseconds) != 1)
        nanoseconds = 0;
    if (file)
        fclose(file);
    return nanoseconds;
}

uint64_t rig_memory_bytes(pid_t pid)
{
    char path[64], line[128];
    unsigned long long kibibytes = 0;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file) && sscanf(line, "Anonymous: %llu kB", &kibibytes) != 1)
        ;
    if (file)
        fclose(file);
    return kibibytes * 1024;
}

int rig_pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}
