mod properties;
mod reading;
mod rules;
