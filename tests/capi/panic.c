/* A panic is a status, and what took part in it can only be freed: needs the library of run.sh, which
 * has codegeex_test_panic. argv[1] is the default model. */
#include "check.h"

codegeex_status codegeex_test_panic(const codegeex_model *model, codegeex_error **error);

int main(int argc, char **argv)
{
    codegeex_error *error = NULL;
    codegeex_model *model = NULL, *other = NULL;
    codegeex_session *session = NULL;

    if (argc != 2)
        return 2;
    CHECK_OK(codegeex_model_open(argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &model, &error));
    CHECK_OK(codegeex_model_open(argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &other, &error));
    REFUSED(codegeex_test_panic(NULL, &error));
    CHECK(codegeex_test_panic(model, &error) == CODEGEEX_PANIC);
    CHECK(strstr(codegeex_error_message(error, NULL), "on purpose, with 256") != NULL);
    codegeex_error_free(error);
    error = NULL;
    CHECK_STATUS(codegeex_test_panic(model, &error), CODEGEEX_POISONED);
    CHECK_STATUS(codegeex_session_new(model, &session, &error), CODEGEEX_POISONED);
    CHECK(codegeex_model_describe(model, NULL) == NULL);
    CHECK(codegeex_test_panic(other, NULL) == CODEGEEX_PANIC);
    codegeex_model_free(model);
    codegeex_model_free(other);
    CHECK_OK(codegeex_model_open(argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &model, &error));
    CHECK_OK(codegeex_session_new(model, &session, &error));
    codegeex_session_free(session);
    codegeex_model_free(model);
    return done();
}
