# Prints a C file with the inside of its comments, strings and character constants taken out; lines
# keep their numbers. What is left is code, in which a word can be searched for.
BEGIN { state = "code" }
{
    out = ""
    for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        pair = substr($0, i, 2)
        if (state == "comment") {
            if (pair == "*/") { state = "code"; i++ }
        } else if (state == "code") {
            if (pair == "/*") { state = "comment"; i++ }
            else if (pair == "//") break
            else {
                out = out c
                if (c == "\"" || c == "\047") { state = "quoted"; quote = c }
            }
        } else if (c == "\\") {
            i++
        } else if (c == quote) {
            out = out c
            state = "code"
        }
    }
    if (state == "quoted") state = "code"
    print out
}
