/**
 * The CodeGeeX code model in the process, on {@code libcodegeex.so} by the Foreign Function and Memory
 * API.
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
 * <p><b>Library.</b> It is looked for in the file that the system property {@code codegeex.library} or
 * else the environment variable {@code CODEGEEX_LIBRARY} names, in the folders of
 * {@code java.library.path}, and where the system's loader looks. Native access has to be allowed:
 * {@code --enable-native-access=ALL-UNNAMED}, or the name of the module, {@code codegeex}.
 *
 * <p><b>Closing.</b> What is {@link java.lang.AutoCloseable} holds memory outside of the heap. Closing
 * works in any order, twice, and while another thread's call runs, which then ends as usual. What is
 * forgotten is closed some time after it became garbage. Methods of what was closed throw
 * {@link java.lang.IllegalStateException}.
 *
 * <p><b>Threads.</b> Models, tokenizers, options and services serve any number of threads at once.
 * Sessions, states, decoders, streams and tickets serve one call at a time; a second one is a
 * {@link codegeex.BusyException}.
 *
 * <p><b>Cancelling.</b> Calls that take a while take a {@link codegeex.CancelToken}, which any thread may
 * set, and end soon after it is, whatever they are at. So they do when the calling thread is
 * interrupted; it stays interrupted. Generations return what there is by then, other calls throw
 * {@link codegeex.CancelledException}.
 *
 * <p><b>Callbacks.</b> They run on the thread of the call, before it returns; log listeners also on
 * threads of a service. What a listener throws ends the call, and is thrown by it; what a log listener
 * throws is dropped.
 *
 * <p><b>null.</b> Options, cancel tokens and listeners may be null, which means none.
 */
package codegeex;
