/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a command line may go on. The shells' completion files only pass on what was typed: commands, options
 * and the names that they take all come from the tables that homictl itself works by, and from homid.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/format.h"
#include "homictl/listing.h"

/* What a word in capitals stands for: the names of these objects. */
static const struct {
    const char *word;
    const struct listing *listing;
    const char *key;
    const char *place; /* "PLACE:KEY"; NULL: the key alone */
    const char *about; /* the member that says more */
} names[] = {
    {"DEVICE", &listing_devices, "name", NULL, "model"},
    {"FUNCTION", &listing_functions, "name", NULL, "state"},
    {"VF", &listing_functions, "name", NULL, "state"},
    {"LEASE", &listing_leases, "name", NULL, "tenant"},
    {"SERIAL", &listing_devices, "serial", NULL, "name"},
    {"TENANT", &listing_tenants, "name", NULL, NULL},
    {"ID", &listing_namespaces, "id", NULL, "device"},
    {"NAMESPACE", &listing_namespaces, "id", "device", "holder"},
    {"NAME", &listing_devices, "name", NULL, "model"},
    {"NAME", &listing_functions, "name", NULL, "state"},
    {"NAME", &listing_leases, "name", NULL, "tenant"},
    {"NAME", &listing_tenants, "name", NULL, NULL},
    {"NAME", &listing_namespaces, "id", "device", "holder"},
    {"NAME", &listing_queues, "id", "virtualFunction", "lease"},
};

struct completion {
    const struct options *options;
    const char *begun; /* the word that is to be completed */
};

static void offer(const struct completion *completion, const char *word, const char *about)
{
    char *safe = format_safe(about ? about : "");

    if (!strncmp(word, completion->begun, strlen(completion->begun)))
        printf("%s%s%s\n", word, safe && *safe ? "\t" : "", safe ? safe : "");
    free(safe);
}

static void offer_objects(const struct completion *completion, size_t index)
{
    struct json_object *rows = NULL;

    listing_fetch(completion->options, names[index].listing, true, &rows);
    for (size_t i = 0; rows && i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        const char *key = json_object_get_string(member(row, names[index].key));
        const char *place = names[index].place ? member_text(row, names[index].place) : NULL;
        char word[256];

        snprintf(word, sizeof(word), "%s%s%s", place ? place : "", place ? ":" : "", key ? key : "");
        offer(completion, word, names[index].about ? member_text(row, names[index].about) : NULL);
    }
    json_object_put(rows);
}

/* word: "LEASE", "a|b|c", or what nothing can be said about. */
static void offer_values(const struct completion *completion, const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i].word) == length && !strncmp(names[i].word, word, length))
            offer_objects(completion, i);
    if (!memchr(word, '|', length))
        return;
    for (const char *end = word + length; word < end;) {
        size_t part = strcspn(word, "| ]");
        char choice[64];

        snprintf(choice, sizeof(choice), "%.*s", (int)part, word);
        offer(completion, choice, NULL);
        word += part + 1;
    }
}

/* The nth word of arguments, "DEVICE [FUNCTION]"; its last word stands for all that follow when it ends in
 * "...". */
static void offer_argument(const struct completion *completion, const char *arguments, int nth)
{
    for (const char *word = arguments; *word; nth--) {
        size_t length = strcspn(word, " "), skip = *word == '[';
        bool repeats = length > 3 && !strncmp(word + length - 3, "...", 3);

        if (nth == 0 || repeats) {
            offer_values(completion, word + skip, strcspn(word + skip, " ]."));
            return;
        }
        word += length + (word[length] == ' ');
    }
}

static void offer_option(void *user, const char *name, const char *argument, const char *text)
{
    char word[64];

    (void)argument;
    snprintf(word, sizeof(word), "--%s", name);
    offer(user, word, text);
}

/* An option that takes an argument, and which: "NAME" is that of what the option is called. */
struct option_search {
    const char *name;
    const char *argument;
};

static void match_option(void *user, const char *name, const char *argument, const char *text)
{
    struct option_search *search = user;

    (void)text;
    if (!strcmp(search->name, name))
        search->argument = argument;
}

static const char *option_argument(const char *word)
{
    struct option_search search = {.name = word + 2};

    if (!strcmp(word, "-o"))
        search.name = "output";
    else if (strncmp(word, "--", 2) != 0)
        return NULL;
    options_each(~0u, match_option, &search);
    return search.argument;
}

static void offer_option_value(const struct completion *completion, const char *option, const char *argument)
{
    static const struct {
        const char *option, *values;
    } choices[] = {{"--color", "auto|always|never"},
                   {"--output", "table|wide|json"},
                   {"-o", "table|wide|json"},
                   {"--tenant", "TENANT"},
                   {"--device", "DEVICE"}};

    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
        if (!strcmp(option, choices[i].option))
            argument = choices[i].values;
    offer_values(completion, argument, strlen(argument));
}

/* What a command has in the place after the words, when it begins with them. */
static bool next_word(const struct command *command, char **words, int count, char ret_word[64])
{
    const char *rest = command->words;

    for (int i = 0; i < count; i++) {
        size_t length = strcspn(rest, " ");

        if (strlen(words[i]) != length || strncmp(words[i], rest, length) != 0)
            return false;
        rest += length + (rest[length] == ' ');
    }
    snprintf(ret_word, 64, "%.*s", (int)strcspn(rest, " "), rest);
    return *rest && !command->hidden;
}

/* Each word once: "vf" stands for all commands that begin with it. */
static void offer_commands(const struct completion *completion, char **words, int count)
{
    char word[64], other[64];

    for (const struct command *command = commands; command->words; command++) {
        const struct command *earlier = commands;

        if (!next_word(command, words, count, word))
            continue;
        while (earlier < command && !(next_word(earlier, words, count, other) && !strcmp(word, other)))
            earlier++;
        if (earlier == command)
            offer(completion, word, command_word_count(command) == count + 1 ? command->summary : NULL);
    }
}

enum exit_status command_complete(const struct options *options, char **arguments)
{
    struct completion completion = {.options = options, .begun = ""};
    int count = 0, words = 0;
    const char *argument = NULL;

    while (arguments[count])
        count++;
    if (count)
        completion.begun = arguments[count - 1];
    /* What stands before it, without options and what belongs to them. */
    for (int i = 0; i + 1 < count; i++) {
        argument = option_argument(arguments[i]);
        if (argument && i + 2 == count) {
            offer_option_value(&completion, arguments[i], argument);
            return EXIT_OK;
        }
        if (argument)
            i++;
        else if (arguments[i][0] != '-')
            arguments[words++] = arguments[i];
    }

    const struct command *command = command_find(arguments, words);

    if (completion.begun[0] == '-')
        options_each(OPTIONS_EVERYWHERE | (command ? command->options : OPTION_VERSION), offer_option,
                     &completion);
    else if (command)
        offer_argument(&completion, command->arguments, words - command_word_count(command));
    else
        offer_commands(&completion, arguments, words);
    return ferror(stdout) ? EXIT_SYSTEM : EXIT_OK;
}
