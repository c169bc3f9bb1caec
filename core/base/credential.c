#include "base/credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NULL: no service manager has given us any. */
static const char *folder(void)
{
    const char *path = getenv("CREDENTIALS_DIRECTORY");
    return path != NULL && path[0] == '/' ? path : NULL;
}

bool ph_credential_find(char *out, size_t size, const char *name)
{
    const char *dir = folder();
    struct stat st;
    if (dir == NULL || snprintf(out, size, "%s/%s", dir, name) >= (int)size) {
        return false;
    }
    return stat(out, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static bool lies_in(const char *dir, const char *path)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/' && strchr(path + len + 1, '/') == NULL;
}

bool ph_credential_is_closed(const char *path, const struct stat *st)
{
    const char *dir = folder();
    return dir != NULL && lies_in(dir, path) && (st->st_uid == 0 || st->st_uid == geteuid()) &&
           (st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0;
}
