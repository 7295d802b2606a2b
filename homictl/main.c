/* SPDX-License-Identifier: BSD-3-Clause */
/* homictl: finds the command that the words name, checks what it was given, and runs it. */
#include <stdio.h>
#include <string.h>

#include "homictl/command.h"

static void print_help(FILE *stream)
{
    static const char *const titles[GROUP_COUNT] = {[GROUP_LOOK] = "To look",
                                                    [GROUP_STEER] = "To steer",
                                                    [GROUP_MACHINE] = "This machine",
                                                    [GROUP_MODEL] = "The software SSD"};
    static const enum command_group order[] = {GROUP_LOOK, GROUP_STEER, GROUP_MACHINE, GROUP_MODEL};

    fprintf(stream, "Usage: homictl [OPTION]... COMMAND [ARGUMENT]...\n"
                    "Shows and steers homid, which hands queues of NVMe virtual functions to tenants.\n");
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        fprintf(stream, "\n%s:\n", titles[order[i]]);
        for (const struct command *command = commands; command->words; command++)
            if (command->group == order[i] && !command->hidden)
                fprintf(stream, "  %-17s %s\n", command->words, command->summary);
    }
    fprintf(stream, "\nOptions:\n");
    options_help(stream, OPTIONS_EVERYWHERE | OPTION_VERSION);
    fprintf(stream, "\nExit status: 0 done, 1 homid refused, 2 wrong usage, 3 homid not reachable, 4 system\n"
                    "failure, 5 not everything is ready. `homictl COMMAND --help` says more; homictl(1)\n"
                    "says all.\n");
}

static void print_command_help(const struct command *command)
{
    printf("Usage: homictl %s%s", command->words, command->required ? " --" : "");
    printf("%s%s [OPTION]...%s%s\n%s.\n", options_name(command->required), command->required ? " NAME" : "",
           *command->arguments ? " " : "", command->arguments, command->summary);
    if (command->details)
        printf("\n%s\n", command->details);
    printf("\nOptions:\n");
    options_help(stdout, command->options | OPTIONS_EVERYWHERE);
}

/* The words name no command: those that begin with the first of them may be meant. */
static void print_unknown(const struct options *options)
{
    const char *first = options->words[0], *second = options->word_count > 1 ? options->words[1] : NULL;
    const char *separator = "";

    fprintf(stderr, "homictl: there is no command '%s%s%s'\n  next: ", first, second ? " " : "",
            second ? second : "");
    for (const struct command *command = commands; command->words; command++) {
        if (command->hidden || strncmp(command->words, first, strlen(first)) != 0)
            continue;
        fprintf(stderr, "%s`homictl %s`", separator, command->words);
        separator = " or ";
    }
    fprintf(stderr, "%s\n", *separator ? "; see each one's --help" : "see `homictl --help`");
}

static bool usage_is_right(const struct command *command, const struct options *options, int arguments)
{
    unsigned foreign = options->given & ~(command->options | OPTIONS_EVERYWHERE);
    unsigned missing = command->required & ~options->given;

    if (foreign)
        fprintf(stderr, "homictl: %s does not take --%s\n", command->words, options_name(foreign));
    else if (missing)
        fprintf(stderr, "homictl: %s needs --%s\n", command->words, options_name(missing));
    else if (arguments < command->arguments_min)
        fprintf(stderr, "homictl: %s needs %s\n", command->words, command->arguments);
    else if (arguments > command->arguments_max)
        fprintf(stderr, "homictl: %s takes %s%s\n", command->words,
                *command->arguments ? "only " : "no argument", command->arguments);
    else
        return true;
    fprintf(stderr, "  next: see `homictl %s --help`\n", command->words);
    return false;
}

static enum exit_status run(const struct options *options)
{
    const struct command *command = command_find(options->words, options->word_count);

    if (!options->word_count) {
        print_help(options->given & OPTION_HELP ? stdout : stderr);
        return options->given & OPTION_HELP ? EXIT_OK : EXIT_USAGE;
    }
    if (!command) {
        print_unknown(options);
        return EXIT_USAGE;
    }
    if (options->given & OPTION_HELP) {
        print_command_help(command);
        return EXIT_OK;
    }

    int words = command_word_count(command);

    if (!usage_is_right(command, options, options->word_count - words))
        return EXIT_USAGE;
    return command->run(options, options->words + words);
}

int main(int argc, char **argv)
{
    struct options options;
    enum exit_status status = EXIT_USAGE;

    if (options_parse(argc, argv, &options)) {
        fprintf(stderr, "  next: see `homictl --help`\n");
    } else if (options.given & OPTION_VERSION) {
        printf("homictl %s\n", HOMI_VERSION);
        status = EXIT_OK;
    } else {
        status = run(&options);
    }
    options_clear(&options);
    if (fflush(stdout) && status == EXIT_OK)
        status = EXIT_SYSTEM;
    return status;
}
