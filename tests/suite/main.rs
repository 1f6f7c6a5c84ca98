mod crash;
mod smoke;
