#include "x509/process.h"

#include <openssl/crypto.h>

void ph_x509_keep_at_exit(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}
