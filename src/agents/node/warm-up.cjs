// Loaded before a process waits for its function, so that the first `require` of user code finds the machinery ready.
module.exports = null;
