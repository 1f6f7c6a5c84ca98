mod folder;
mod import;
