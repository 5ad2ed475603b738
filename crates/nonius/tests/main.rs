//! What the façade adds to the crates that it joins, from outside.

// The page in a real browser; needs Chromium.
mod browser;
// Reports filled as a workflow fills them.
mod made;
// Crates that do not know one another agree.
mod joined;
// What stands in the file.
mod report;
// Workflows against scans that were made.
mod strain;
