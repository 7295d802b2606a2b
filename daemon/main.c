/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid: arguments, and the wiring of configuration, loop, hardware, core and server. SIGINT has it give
 * everything back; SIGTERM has it leave everything to the next homid, where something keeps it meanwhile.
 * Exit status: 0 stopped by one of them, or what was asked for was done; 1 the machine failed (EXIT_FAILURE);
 * 64 wrong arguments (EX_USAGE); 78 the configuration is wrong (EX_CONFIG).
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/audit.h"
#include "daemon/config/config.h"
#include "daemon/config/model.h"
#include "daemon/core/core.h"
#include "daemon/helper/helper.h"
#include "daemon/hw/backend.h"
#include "daemon/keepers.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/model/process.h"
#include "daemon/model/spec.h"
#include "daemon/peers/server.h"
#include "daemon/peers/sockets.h"
#include "daemon/relay/relay.h"
#include "daemon/reload.h"
#include "daemon/restart/kept.h"
#include "daemon/status.h"
#include "daemon/stop.h"

#define HELPER_SOCKET  3 /* where a helper finds homid */
#define MODEL_LISTENER 3 /* where the model process finds its listening socket */
#define RELAY_LISTENER 3 /* where the relay does, also when systemd starts it */
#define RELAY_SOCKET   "/run/homi/relay.sock"
/* Not the path: another version may be installed there, and its helpers would not understand this one. */
#define SELF           "/proc/self/exe"
#define FDS_OF_MACHINE 512 /* descriptors beside connections: devices, helpers, leases */
/* Together less than TimeoutStopSec= of homid.service. */
#define STOP_SECONDS         40   /* for giving everything back */
#define HURRY_SECONDS        10   /* for taking offline what is left */
#define RESTORE_MILLISECONDS 1500 /* calls wait so long at most for what an earlier homid left half done */

struct daemon {
    const char *path;
    struct config *config;    /* owned */
    unsigned connections_max; /* that can be kept; 0: any number */
    const char *model;        /* specification of the software SSD; NULL: the machine's hardware */
    uint64_t model_digest;
    struct log log;
    struct log_budgets log_budgets;
    struct loop *loop;
    struct kept *kept;
    struct hw_backend *backend;
    struct core *core;
    struct keepers *keepers;
    struct sockets sockets;
    struct server *server;
    struct status status;
    bool started;     /* what an earlier homid left is known to the core */
    bool stopping;    /* giving everything back */
    bool handed_over; /* leaving everything to the next homid */
};

static const char usage[] =
    "Usage: homid [--config PATH] [--model[=SPEC]] [--check-config]\n"
    "       homid --stop | --version | --help\n"
    "Manages the virtual functions of NVMe SSDs and hands their queues to tenants.\n"
    "\n"
    "  --config PATH   read PATH and PATH.d/*.conf (default " CONFIG_PATH_DEFAULT ";\n"
    "                  with --model: the software SSD for whoever starts it)\n"
    "  --model[=SPEC]  use the software SSD instead of hardware; SPEC is JSON or a file\n"
    "                  with it (default: one SSD, HOMI-MODEL-0); needs no root\n"
    "  --check-config  say whether the configuration is right, and exit\n"
    "  --stop          for homid.service: what a stop does and a restart does not\n"
    "  --version       print the version\n"
    "  --help          print this\n"
    "\n"
    "Exit status: 0 stopped or done, 1 the machine failed, 64 wrong arguments,\n"
    "78 the configuration is wrong. See homid(8) and homid.conf(5).\n";

/* ---- what the loop and the core tell ---- */

static uint64_t on_now(void *user)
{
    (void)user;
    return loop_now();
}

static void on_timer(void *user, uint64_t at)
{
    struct daemon *daemon = user;
    loop_timer(daemon->loop, at);
}

static void on_event(void *user, const struct core_event *event)
{
    struct daemon *daemon = user;
    audit_event(&daemon->log, event);
    if (daemon->server)
        server_event(daemon->server, event);
}

static int on_keep(void *user, const char *lease, struct core_keeper *keeper)
{
    struct daemon *daemon = user;
    return keepers_add(daemon->keepers, lease, keeper);
}

static void on_forget_keeper(void *user, const char *lease)
{
    struct daemon *daemon = user;
    keepers_remove(daemon->keepers, lease);
}

static void on_keeper_ended(void *user, const char *lease)
{
    struct daemon *daemon = user;
    core_keeper_ended(daemon->core, lease);
}

static void on_step(void *user, const char *operation, bool failed, uint64_t milliseconds)
{
    struct daemon *daemon = user;
    if (daemon->server)
        server_step(daemon->server, operation, failed, milliseconds);
}

static void on_changed(void *user)
{
    struct daemon *daemon = user;
    loop_changed(daemon->loop);
}

static void on_expel(void *user, void *client_user, bool kill)
{
    (void)user;
    server_expel(client_user, kill);
}

static void on_tick(void *user)
{
    struct daemon *daemon = user;
    core_tick(daemon->core);
}

static void on_status(void *user)
{
    struct daemon *daemon = user;
    if (daemon->stopping || !daemon->started)
        return;
    if (!core_restoring(daemon->core))
        server_resume(daemon->server);
    status_update(&daemon->status, daemon->core);
}

static void on_stopped(void *user)
{
    struct daemon *daemon = user;
    sockets_forget(&daemon->sockets, kept_store(daemon->kept));
    kept_end(daemon->kept);
    loop_stop(daemon->loop);
}

static void on_no_time(evutil_socket_t fd, short what, void *user)
{
    struct daemon *daemon = user;
    (void)fd, (void)what;
    log_write(&daemon->log, LOG_ERR, NULL, "a device does not answer; what is left of it stays as it is");
    on_stopped(daemon);
}

static void on_hurry(evutil_socket_t fd, short what, void *user)
{
    static const struct timeval last = {.tv_sec = HURRY_SECONDS};
    struct daemon *daemon = user;
    (void)fd, (void)what;
    log_write(&daemon->log, LOG_WARNING, NULL,
              "not everything was given back in %d s; what is left is taken offline", STOP_SECONDS);
    event_base_once(loop_base(daemon->loop), -1, EV_TIMEOUT, on_no_time, daemon, &last);
    core_stop_now(daemon->core);
}

static void hand_over(struct daemon *daemon)
{
    log_write(&daemon->log, LOG_NOTICE, NULL, "SIGTERM: leaving everything to the next homid");
    daemon->handed_over = true;
    loop_stop(daemon->loop);
}

static void read_again(struct daemon *daemon)
{
    const struct reload running = {.path = daemon->path,
                                   .config = &daemon->config,
                                   .log = &daemon->log,
                                   .core = daemon->core,
                                   .server = daemon->server,
                                   .connections_max = daemon->connections_max};
    if (daemon->stopping)
        return;
    status_reloading(&daemon->status);
    reload(&running);
    status_reloaded(&daemon->status);
}

static void on_signal(void *user, int number)
{
    struct daemon *daemon = user;
    if (number == SIGHUP) {
        read_again(daemon);
        return;
    }
    if (daemon->stopping)
        return;
    if (number == SIGTERM && kept_state(daemon->kept)) {
        hand_over(daemon);
        return;
    }
    daemon->stopping = true;
    log_write(&daemon->log, LOG_NOTICE, NULL, "SIG%s: giving the virtual functions back",
              sigabbrev_np(number));
    status_stopping();
    server_stop(daemon->server);
    static const struct timeval patience = {.tv_sec = STOP_SECONDS};
    event_base_once(loop_base(daemon->loop), -1, EV_TIMEOUT, on_hurry, daemon, &patience);
    core_stop(daemon->core, on_stopped, daemon);
}

/* ---- life ---- */

/* Every connection takes a socket and a pidfd. */
static void raise_descriptor_limit(const struct daemon *daemon)
{
    const struct config_limits *limits = &daemon->config->limits;
    rlim_t needed = 2 * (rlim_t)limits->connections + limits->admin_connections + limits->lease_sockets +
                    kept_needed(&daemon->config->core) + FDS_OF_MACHINE;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_max < needed)
        log_write(&daemon->log, LOG_WARNING, NULL,
                  "limits.connections needs %ju descriptors and LimitNOFILE is %ju: not all will be served",
                  (uintmax_t)needed, (uintmax_t)limit.rlim_max);
}

static int open_backend(struct daemon *daemon)
{
    static const struct hw_listener listener = {
        .device_event = core_device_event,
        .function_event = core_function_event,
        .queue_ended = core_queue_ended,
    };
    if (!daemon->model)
        return hw_linux_new(loop_base(daemon->loop), SELF, &listener, &daemon->backend);
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int r = model_path("model.sock", path, sizeof path);
    if (r < 0)
        return r;
    return hw_model_new(loop_base(daemon->loop), SELF, path, daemon->model, daemon->model_digest, &listener,
                        &daemon->backend);
}

static void on_relay(void *user, bool well, const char *text)
{
    struct daemon *daemon = user;
    log_write(&daemon->log, well ? LOG_NOTICE : LOG_WARNING, NULL, "%s", text);
}

/* Beside the software SSD's own socket, or where systemd listens for it. */
static int use_relay(struct daemon *daemon)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)] = RELAY_SOCKET;
    int r = daemon->model ? model_path("relay.sock", path, sizeof path) : 0;
    struct hw_relay_config relay = {
        .program = SELF,
        .path = path,
        .core_count = daemon->config->relay_core_count,
        .told = on_relay,
        .user = daemon,
    };
    memcpy(relay.cores, daemon->config->relay_cores, sizeof relay.cores);
    return r < 0 ? r : daemon->backend->use_relay(daemon->backend, &relay);
}

static void on_call_begun(void *user, uint32_t connection)
{
    struct daemon *daemon = user;
    server_call_begun(daemon->server, connection);
}

static void on_restored(void *user)
{
    struct daemon *daemon = user;
    core_restore_end(daemon->core);
    if (!kept_aside(daemon->kept))
        server_settled(daemon->server);
    core_start(daemon->core);
    daemon->started = true;
    loop_changed(daemon->loop);
}

/* Somebody's device does not come along; everybody else is served now. */
static void on_patience(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    struct daemon *daemon = user;
    server_resume(daemon->server);
}

/* All that may have to be kept must fit, or a homid that ends would take it along. */
static int check_store(struct daemon *daemon)
{
    struct config_limits *limits = &daemon->config->limits;
    unsigned limit = fdstore_limit(kept_store(daemon->kept));
    unsigned needed = kept_needed(&daemon->config->core) + limits->lease_sockets + limits->admin_connections;
    if (limit == 0)
        return 0;
    if (needed >= limit) {
        log_write(
            &daemon->log, LOG_ERR, NULL,
            "the virtual functions, %u leases' sockets and %u operators' connections need %u "
            "descriptors to be kept, and FileDescriptorStoreMax= and the length of their names allow %u",
            limits->lease_sockets, limits->admin_connections, needed, limit);
        return -E2BIG;
    }
    daemon->connections_max = limit - needed;
    if (limits->connections > limit - needed) {
        limits->connections = limit - needed;
        log_write(&daemon->log, LOG_WARNING, NULL,
                  "only %u connections are served (limits.connections): so many can be kept when homid ends",
                  limits->connections);
    }
    return 0;
}

static int restore(struct daemon *daemon)
{
    static const struct timeval patience = {.tv_sec = RESTORE_MILLISECONDS / 1000,
                                            .tv_usec = RESTORE_MILLISECONDS % 1000 * 1000};
    if (kept_aside(daemon->kept))
        core_set_aside(daemon->core, kept_aside(daemon->kept));
    kept_on_begun(daemon->kept, on_call_begun, daemon);
    server_restore(daemon->server);
    kept_restore(daemon->kept, daemon->core, daemon->backend, on_restored, daemon);
    return event_base_once(loop_base(daemon->loop), -1, EV_TIMEOUT, on_patience, daemon, &patience) < 0
               ? -ENOMEM
               : 0;
}

static int build(struct daemon *daemon)
{
    const struct loop_listener loop_listener = {
        .tick = on_tick, .signal = on_signal, .changed = on_status, .user = daemon};
    struct core_listener core_listener = {.now = on_now,
                                          .timer = on_timer,
                                          .event = on_event,
                                          .keep = on_keep,
                                          .forget_keeper = on_forget_keeper,
                                          .step = on_step,
                                          .changed = on_changed,
                                          .expel = on_expel,
                                          .user = daemon};
    const char *what = "event loop";
    int r = loop_new(&loop_listener, &daemon->loop);
    if (r == 0) {
        what = "what outlives homid";
        r = kept_new(loop_base(daemon->loop), &daemon->log, &daemon->kept);
    }
    if (r == 0)
        r = check_store(daemon);
    if (r == 0) {
        what = "hardware";
        r = open_backend(daemon);
    }
    if (r == 0) {
        what = "keepers";
        r = keepers_new(loop_base(daemon->loop), on_keeper_ended, daemon, &daemon->keepers);
    }
    if (r == 0 && !kept_aside(daemon->kept)) {
        what = "relay";
        r = use_relay(daemon);
    }
    if (r == 0) {
        what = "core";
        core_listener.archive = kept_archive(daemon->kept);
        r = core_new(&daemon->config->core, daemon->backend, &core_listener, &daemon->core);
    }
    if (r == 0) {
        what = "sockets";
        r = sockets_open(daemon->config, &daemon->log, kept_store(daemon->kept), &daemon->sockets);
    }
    if (r == 0) {
        const struct server_options options = {
            .base = loop_base(daemon->loop),
            .core = daemon->core,
            .config = daemon->config,
            .log = &daemon->log,
            .listeners = {daemon->sockets.fds[0], daemon->sockets.fds[1]},
            .state = kept_state(daemon->kept),
            .store = kept_store(daemon->kept),
        };
        what = "server";
        r = server_new(&options, &daemon->server);
    }
    if (r < 0)
        log_write(&daemon->log, LOG_ERR, NULL, "cannot start: %s: %s", what, strerror(-r));
    return r;
}

/* Takes the configuration. */
static int run(const char *path, struct config *config, const char *model, uint64_t model_digest)
{
    struct daemon daemon = {.path = path,
                            .config = config,
                            .model = model,
                            .model_digest = model_digest,
                            .log = log_open(config->log_level),
                            .sockets = {.fds = {-1, -1}}};
    daemon.log.budgets = &daemon.log_budgets;
    raise_descriptor_limit(&daemon);
    int r = build(&daemon);
    if (r == 0)
        r = restore(&daemon);
    if (r == 0) {
        log_write(&daemon.log, LOG_NOTICE, NULL,
                  "homid " HOMI_VERSION ": %zu devices, %zu tenants configured", config->core.device_count,
                  config->core.tenant_count);
        r = loop_run(daemon.loop);
    }
    /* Taking anything apart here would give it back. */
    if (daemon.handed_over)
        _exit(EXIT_SUCCESS);
    server_free(daemon.server);
    daemon.server = NULL;
    core_free(daemon.core);
    keepers_free(daemon.keepers);
    hw_backend_free(daemon.backend);
    sockets_close(&daemon.sockets);
    kept_free(daemon.kept);
    loop_free(daemon.loop);
    config_free(daemon.config);
    return r == -E2BIG ? EX_CONFIG : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Says what is wrong with a model's specification. */
static bool model_specified(const char *text, uint64_t *ret_digest)
{
    struct model_spec *spec = NULL;
    struct spec_error error;
    if (spec_parse(text, &spec, &error) < 0) {
        const struct log log = log_open(LOG_ERR);
        log_write(&log, LOG_ERR, NULL, "the model's specification: %s", error.text);
        return false;
    }
    *ret_digest = spec->digest;
    spec_free(spec);
    return true;
}

/* Started through /proc/self/exe, a process would otherwise be "exe" in ps. */
static void call_myself(const char *name)
{
    prctl(PR_SET_NAME, name);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'k'},
        {"version", no_argument, NULL, 'v'},
        {"helper", no_argument, NULL, 'i'},
        {"stop", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"model", optional_argument, NULL, 'm'},
        {"relay", no_argument, NULL, 'r'},
        {"model-process", required_argument, NULL, 'p'},
        {0},
    };
    char own_path[64];
    const char *path = NULL, *model = NULL;
    bool check = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'c': path = optarg; break;
        case 'k': check = true; break;
        case 'm': model = optarg ? optarg : ""; break;
        case 'p': call_myself("homid-model"); return model_main(MODEL_LISTENER, optarg);
        case 'r': call_myself("homid-relay"); return relay_main(RELAY_LISTENER);
        case 'i': call_myself("homid-helper"); return helper_main(HELPER_SOCKET);
        case 's': return stop_main();
        case 'v': return puts("homid " HOMI_VERSION) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        case 'h': return fputs(usage, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        default: fputs(usage, stderr); return EX_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "homid: unexpected argument: %s\n%s", argv[optind], usage);
        return EX_USAGE;
    }

    if (!path && model && model_config(own_path, sizeof own_path) == 0)
        path = own_path;
    if (!path)
        path = CONFIG_PATH_DEFAULT;
    struct config *config = NULL;
    struct config_error error;
    if (config_load(path, &config, &error) < 0) {
        const struct log log = log_open(LOG_ERR);
        log_write(&log, LOG_ERR, NULL, "%s", error.text);
        return EX_CONFIG;
    }
    if (!model)
        model = config->model;
    uint64_t digest = 0;
    if (model && !model_specified(model, &digest)) {
        config_free(config);
        return EX_CONFIG;
    }
    if (!check)
        return run(path, config, model, digest);
    printf("%s: the configuration is right\n", path);
    config_free(config);
    return EXIT_SUCCESS;
}
