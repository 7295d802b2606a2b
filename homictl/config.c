/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration is homid's to judge: the homid program of this machine reads it, as it would at its
 * start. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "homictl/call.h"

#define HOMID         "homid"
#define EX_CONFIG     78 /* homid(8): the configuration is wrong */
#define SAID_BYTES    4096
#define EXEC_FAILED   127
#define PROGRAM_PLACE "/usr/local/sbin:/usr/sbin:/sbin" /* where PATH of an ordinary user does not lead */

/* The homid beside this program, as in a build folder; else the one of the search path. */
static void run_homid(const char *config)
{
    const char *arguments[] = {HOMID, "--check-config", config ? "--config" : NULL, config, NULL};
    char own[PATH_MAX], path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - sizeof(HOMID));
    const char *places = getenv("PATH");

    if (length > 0) {
        own[length] = '\0';
        strcpy(strrchr(own, '/') + 1, HOMID);
        execv(own, (char *const *)arguments);
    }
    if (snprintf(path, sizeof(path), "%s:" PROGRAM_PLACE, places ? places : "") < (int)sizeof(path))
        setenv("PATH", path, 1);
    execvp(HOMID, (char *const *)arguments);
    _exit(EXEC_FAILED);
}

/* What homid says, its output and its errors, up to SAID_BYTES. Returns its wait status, or -1 with errno. */
static int ask_homid(const char *config, char ret_said[SAID_BYTES])
{
    size_t length = 0;
    ssize_t count;
    int pipes[2], status;

    if (pipe(pipes) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        run_homid(config);
    }
    close(pipes[1]);
    while (pid > 0 && length < SAID_BYTES - 1 &&
           (count = read(pipes[0], ret_said + length, SAID_BYTES - 1 - length)) > 0)
        length += (size_t)count;
    close(pipes[0]);
    while (length && ret_said[length - 1] == '\n')
        length--;
    ret_said[length] = '\0';
    return pid < 0 || waitpid(pid, &status, 0) < 0 ? -1 : status;
}

static enum exit_status print_json(bool right, const char *said)
{
    struct json_object *answer = json_object_new_object();
    enum exit_status status;

    json_object_object_add(answer, "right", json_object_new_boolean(right));
    json_object_object_add(answer, "text", json_object_new_string(said));
    status = call_print_json(answer);
    json_object_put(answer);
    return status;
}

enum exit_status command_config_check(const struct options *options, char **arguments)
{
    char said[SAID_BYTES];
    int result = ask_homid(options->config, said), code = WIFEXITED(result) ? WEXITSTATUS(result) : -1;
    enum exit_status status = EXIT_OK;

    (void)arguments;
    if (result < 0 || (code != EXIT_SUCCESS && code != EX_CONFIG)) {
        fprintf(stderr,
                "homictl: cannot check the configuration: %s\n  next: see that homid is installed here\n",
                code == EXEC_FAILED ? "the program homid is not found"
                : *said             ? said
                                    : strerror(errno));
        return EXIT_SYSTEM;
    }
    if (options->given & OPTION_JSON)
        status = print_json(code == EXIT_SUCCESS, said);
    else if (code == EXIT_SUCCESS)
        puts(said);
    if (code == EX_CONFIG) {
        fprintf(stderr,
                "homictl: the configuration is wrong: %s\n  next: mend it there; homid.conf(5) says what "
                "each key takes\n",
                said);
        return EXIT_REFUSED;
    }
    return status == EXIT_OK && ferror(stdout) ? EXIT_SYSTEM : status;
}
