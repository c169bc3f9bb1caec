/* OpenSSL in a process that also runs threads of others. */
#ifndef PH_X509_PROCESS_H
#define PH_X509_PROCESS_H

/* Keeps OpenSSL from freeing its global state in exit(): a thread that has not ended by then, or is
 * about to end, still takes its locks (OPENSSL_init_crypto(3), OPENSSL_INIT_NO_ATEXIT). The kernel
 * has the memory back a moment later anyway. Works only before anything else uses OpenSSL in this
 * process; afterwards it does nothing. */
void ph_x509_keep_at_exit(void);

#endif
