/**
 * The CodeGeeX code model in-process, with {@code libcodegeex.so} through the Foreign Function and Memory API.
 *
 * <pre>{@code
 * try (Model model = Model.open(Path.of("codegeex_tiny.safetensors"));
 *         TokenStream tokens = model.stream(Prompts.generation("python", "def read_lines(path):"))) {
 *     while (tokens.hasNext()) {
 *         System.out.print(tokens.next().text());
 *     }
 * }
 * }</pre>
 *
 * <p><b>Library.</b> It is searched in this order: the system property {@code codegeex.library}, the environment
 * variable {@code CODEGEEX_LIBRARY}, the folders of {@code java.library.path}, the jar, and the paths of the
 * system's loader. Allow native access with {@code --enable-native-access=ALL-UNNAMED}, or the name of the
 * module, {@code codegeex}.
 *
 * <p><b>Closing.</b> {@link java.lang.AutoCloseable} objects hold memory outside the heap. You may close them in
 * any order, twice, and while another thread's call runs; that call completes normally. Unreachable objects are
 * closed after garbage collection. Methods of a closed object throw {@link java.lang.IllegalStateException}.
 *
 * <p><b>Threads.</b> Models, tokenizers, options and services are safe for concurrent use. Sessions, states,
 * decoders, code stops, streams and tickets serve one call at a time; a concurrent call throws {@link
 * codegeex.BusyException}.
 *
 * <p><b>Cancelling.</b> Long calls take a {@link codegeex.CancelToken}, which any thread may set, and end soon
 * after it is set. An interrupt of the calling thread also cancels the call; the thread stays interrupted.
 * Cancelled generations return the partial result, other calls throw {@link codegeex.CancelledException}.
 *
 * <p><b>Callbacks.</b> Listeners run on the calling thread, before the call returns; log listeners and samplers also
 * run on threads of a service, samplers on those of concurrent calls as well. An exception of a listener or sampler
 * ends the call and is thrown by it, for requests of a service by {@link codegeex.Ticket#await}. Exceptions of log
 * listeners are dropped.
 *
 * <p><b>null.</b> Options, cancel tokens and listeners may be null, which means none.
 */
package codegeex;
