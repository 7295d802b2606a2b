# Who may include what. Folders come with the quoted includes and the libraries that they may use; what is not
# listed is refused. The longest folder that a file lies under decides.

function allow(folder, own, libraries) {
    quoted[folder] = own
    library[folder] = libraries
}

BEGIN {
    # The C library and the kernel's interface, in one word.
    LIBC = "^<(([a-z0-9_]+|(sys|linux|arpa|netinet|asm)/[a-z0-9_-]+)\\.h)>$"
    # What a module without system calls may see of it.
    PURE = "^<(assert|ctype|errno|inttypes|limits|search|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|sys/types|sys/queue)\\.h>$"
    NOT_LIBC = "^<(libnvme|check|event|libudev)\\.h>$"
    JSON = "^<json-c/"
    PUBLIC = "^<homi/"
    ANY = "^<"

    allow("proto", "proto/", JSON)
    allow("lib", "(lib|proto)/", PUBLIC "|" JSON)
    allow("lib/include", "", PUBLIC)
    allow("homictl", "homictl/", PUBLIC "|" JSON)
    allow("daemon", "(daemon|proto)/", ANY)
    allow("daemon/api", "(daemon/api|daemon/core|proto)/", JSON)
    allow("daemon/core", "daemon/(core/|hw/backend\\.h)", "")
    allow("daemon/hw", "daemon/(hw/|helper/|[a-z_]+\\.h)", "^<(libnvme|event2/.*|systemd/.*)\\.h>$")
    allow("daemon/model", "(daemon/(model/|hw/|helper)|proto/)", ANY)
    allow("daemon/relay", "daemon/(relay/|hw/doorbells|relay_wire)", ANY)
    allow("man/examples", "", PUBLIC)
    allow("tests/tenants", "tests/tenants/", PUBLIC)
    allow("tests", "(tests|daemon|proto|lib|homictl|bench)/", ANY)
    allow("bench", "bench/", PUBLIC "|" JSON)
}

FNR == 1 {
    folder = FILENAME
    do {
        if (!sub(/\/[^\/]*$/, "", folder))
            folder = ""
    } while (folder != "" && !(folder in quoted))
    if (folder == "") {
        print FILENAME ": no rule says what this folder may include"
        bad = 1
    }
}

/^[ \t]*#[ \t]*include[ \t]/ && folder != "" {
    name = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    sub(/[ \t].*$/, "", name)
    if (name ~ /^"/)
        fine = quoted[folder] != "" && name ~ ("^\"" quoted[folder])
    else if (library[folder] != "" && name ~ library[folder])
        fine = 1
    else
        fine = name ~ (folder == "daemon/core" ? PURE : LIBC) && name !~ NOT_LIBC
    if (!fine) {
        print FILENAME ":" FNR ": " folder " may not include " name
        bad = 1
    }
}

END { exit bad }
