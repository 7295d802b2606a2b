# Functions of more than 60 lines, in C and in bash, both with their braces in the first column (the style of this
# tree puts no other opening brace there).

FNR == 1 { start = 0 }
/^[a-z_0-9]+\(\) *\{$/ { start = FNR; name = $0 }
/^\{/ { start = FNR; name = previous }
/^\}/ && start {
    lines = FNR - start - 1
    if (lines > 60) {
        print FILENAME ":" start ": " lines " lines, at most 60: " name
        bad = 1
    }
    start = 0
}
{ previous = $0 }
END { exit bad }
