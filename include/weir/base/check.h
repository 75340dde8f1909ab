/* weir_check: a belief about weir itself, verified in every build.
 *
 * A failed check is a bug in weir, never a property of the input: it prints
 * the place and the claim, and stops the process, so that a wrong number is
 * never written down. Bad input is data (dead letters) and a failing disk or
 * broker is a weir_status; neither goes through here.
 */
#ifndef WEIR_BASE_CHECK_H
#define WEIR_BASE_CHECK_H

#define weir_check(claim) \
    ((claim) ? (void)0 : weir_check_failed(#claim, __FILE__, __LINE__, __func__))

/* Reports the broken claim on standard error and aborts. Never returns. */
_Noreturn void weir_check_failed(const char *claim, const char *file, int line, const char *function);

#endif
